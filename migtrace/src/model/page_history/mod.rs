//! The history of single pages across nodes and page frames, in bounded memory.

pub mod page;
pub(crate) mod process;
pub(crate) mod query;
pub mod steps;
pub mod tracker;
