//! Kernel records as events: bytes, the kernel's numbers and their names.
//!
//! This module knows no ring, no file and no terminal: a record comes in as bytes and leaves as an [`crate::event::Event`].

pub(crate) mod enums;
pub mod mempolicy;
pub mod names;
pub mod record;
