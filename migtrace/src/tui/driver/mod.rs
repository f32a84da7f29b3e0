//! The loop around the screen: terminal, keys, ticks, files, and the source of events.

pub(crate) mod input;
pub(crate) mod numa_maps;
pub(crate) mod procfs;
pub mod recorder;
pub mod replay;
pub mod run;
pub(crate) mod save;
pub mod source;
pub(crate) mod term;
