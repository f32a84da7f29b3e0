//! What a frame is drawn from: the model, and what the user chose.

pub mod action;
pub mod app;
pub(crate) mod asked;
pub(crate) mod between;
pub(crate) mod details;
pub(crate) mod findings;
pub mod keys;
pub(crate) mod log_lines;
pub(crate) mod moment;
pub(crate) mod prompt;
pub(crate) mod update;
