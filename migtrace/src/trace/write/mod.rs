//! Writing a trace: while it is recorded, and from a recording that was cut off.

pub(crate) mod convert;
pub(crate) mod dump;
mod encoder_thread;
mod join;
pub(crate) mod merge;
pub(crate) mod recover;
pub(crate) mod rotation;
pub(super) mod segment;
pub(crate) mod snapshot;
mod wall_clock;
pub(crate) mod writer;
