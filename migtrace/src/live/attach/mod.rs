//! Loads and attaches the BPF programs: the catalog of hooks, the selection for the running kernel, and their settings.
//!
//! The meaning of records is in [`crate::decode::record`].

pub mod bpf_config;
pub mod capability;
pub mod catalog;
pub mod kfunc;
pub mod load;
pub mod options;
pub mod program_info;
pub mod rings;
mod select;
pub mod traced;

/// Starts the error of a hook whose program the kernel did not load.
pub const REJECTED: &str = "the kernel rejected it";
