//! The map of a process: where every page is now. `read/` reads it and touches no page; the other files count and show it.
//!
//! It owns places, runs and regions, and their text, JSON and CSV. `plot/` draws it to files.

pub mod cells;
pub mod census;
pub mod change;
pub mod data;
pub mod model;
pub mod picture;
pub mod place;
mod read;
pub mod text;
mod words;

#[cfg(test)]
pub(crate) mod tests;

pub use model::{HugeFrom, Map, RangesFrom, Region, Sources};
pub use place::{Counts, Place, Run};
pub use read::{ReadError, Reader};
