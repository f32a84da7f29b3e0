//! The interface between the BPF programs and the collector, byte for byte.
//!
//! This crate owns the wire between kernel and user space:
//!
//! - [`record`]: the records in the ring, and [`kinds`], the small numbers in them;
//! - [`config`]: the settings that the programs get at load time;
//! - [`counters`]: the account of every event, by program;
//! - [`tally`]: the totals that the programs keep beside records;
//! - [`kfunc`]: the kernel function that the programs call;
//! - [`layout`]: asserts on sizes and offsets of all of these.
//!
//! What a record *means* is defined in the collector.
#![no_std]

#[cfg(feature = "user")]
extern crate alloc;

pub mod config;
pub mod counters;
#[cfg(feature = "user")]
pub mod errno;
pub mod kfunc;
pub mod kinds;
pub mod layout;
#[cfg(feature = "user")]
pub mod node_mask;
pub mod record;
pub mod tally;

pub use layout::ABI_VERSION;
