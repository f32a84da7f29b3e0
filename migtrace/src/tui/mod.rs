//! The screen of `migtrace top`: keys become actions, actions change what was chosen, and a frame is drawn from that and
//! from the model's state.
//!
//! Drawing does no input or output and reads no clock. The driver ([`run`]) owns the terminal, the ticks and the files,
//! and hands events over from a [`source::Source`], live or a recording. What is counted is the model's business.

mod ansi;

pub mod config;
pub mod format;
pub mod view;

#[cfg(test)]
mod tests;

pub use self::view::frame::draw;
pub mod driver;
pub mod state;
