//! The screen of `migtrace top`.
//!
//! Each folder uses those before it. `state` is what was counted and what the user chose, `rows` makes rows of it,
//! `view` draws them. `driver` owns the terminal, the ticks and the files, and feeds events from a
//! [`driver::source::Source`], live or a recording. Only `driver` does I/O and reads the clock. The model counts.

pub mod driver;
mod rows;
pub mod state;
pub mod view;

#[cfg(test)]
mod tests;

pub use self::view::frame::draw;
