//! The loop around the screen: terminal, keys, ticks, files, and the source of events.

pub mod batch;
pub mod config;
pub(crate) mod feed;
pub mod input;
pub(crate) mod job_control;
pub(crate) mod output;
pub mod recorder;
pub mod replay;
pub(crate) mod rss;
pub mod run;
pub(crate) mod save;
pub(crate) mod size;
pub mod source;
pub(crate) mod term;
