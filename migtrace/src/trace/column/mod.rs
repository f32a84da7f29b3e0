//! Columns: their types, and the buffers that a writer fills.

pub(crate) mod buffer;
pub(crate) mod convert;
mod hash;
pub(crate) mod rle;
pub(crate) mod types;
