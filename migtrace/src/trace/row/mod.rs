//! Events as rows, and rows as events: which field goes to which column, for files, filters and views alike.
//!
//! Each kind has a file, with both directions side by side.

mod batch;
mod census;
mod check;
mod fault;
pub(crate) mod fields;
pub(crate) mod from_event;
mod loss;
mod mark;
mod migrate;
pub(crate) mod node;
mod place;
mod region;
mod request;
pub(crate) mod sink;
mod task;
pub(crate) mod to_event;
pub(crate) mod value;
