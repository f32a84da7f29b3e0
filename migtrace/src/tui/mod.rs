//! The screen of `migtrace top`: keys become actions, actions change what was chosen, and a frame is drawn from that and
//! from the model's state.
//!
//! Drawing does no input or output and reads no clock. The driver ([`run`]) owns the terminal, the ticks and the files,
//! and hands events over from a [`source::Source`], live or a recording. What is counted is the model's business.

pub mod action;
mod ansi;
mod asked;
mod between;

pub mod app;
mod canvas;
pub mod config;
mod findings;
pub mod format;
mod frame;
mod inputs;
pub mod keys;
mod log_lines;
mod moment;
mod numa_maps;
mod procfs;
mod prompt;
pub mod recorder;
pub mod replay;
pub mod run;
mod saved;
pub mod source;
mod spark;
mod stories;
mod table;
mod term;
pub mod theme;
mod update;
mod view;

#[cfg(test)]
mod tests;

pub use frame::draw;
