//! Writing a trace while it is recorded, and after a recording that did not end.

pub(crate) mod encoder_thread;
pub(crate) mod merge;
pub(crate) mod partial_dir;
pub(crate) mod recover;
pub(crate) mod rotation;
pub(crate) mod segment;
pub(crate) mod writer;
