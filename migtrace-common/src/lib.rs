//! The interface between the BPF programs and the collector, byte for byte.
//!
//! This crate owns the wire between kernel and user space: the records in the ring ([`record`]), the numbers that kernel
//! enums arrive as ([`kinds`]), the settings that the collector hands to the programs at load time ([`config`]), the counters
//! by which every refused record is accounted for ([`counters`]) and the counts that stand beside records ([`aggregate`]). What a record *means* is the collector's
//! business (`event.rs` there).
#![no_std]

#[cfg(feature = "user")]
extern crate alloc;

pub mod aggregate;
pub mod config;
pub mod counters;
pub mod kfunc;
pub mod kinds;
pub mod layout;
#[cfg(feature = "user")]
pub mod node_mask;
pub mod record;

/// Version of this wire. The programs put it into every record, the collector refuses any other.
pub const ABI_VERSION: u8 = 5;
