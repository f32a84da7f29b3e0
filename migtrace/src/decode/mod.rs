//! Kernel records as events: bytes, the kernel's numbers and their names.
//!
//! This module uses no ring, no file and no terminal: input is bytes, output is an [`crate::event::Event`].

pub(crate) mod enums;
pub mod mempolicy;
pub mod names;
pub mod record;
