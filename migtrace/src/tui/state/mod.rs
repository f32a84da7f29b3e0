//! What a frame is drawn from: what was counted, and what the user chose. No terminal, no drawing, no file, no clock.

pub mod action;
pub mod app;
pub(crate) mod comparison;
pub(crate) mod details;
pub mod effect;
pub mod key;
pub mod keymap;
pub(crate) mod log_lines;
pub(crate) mod process_table;
pub(crate) mod prompt;
pub(crate) mod selection;
pub mod session;
pub(crate) mod update;
