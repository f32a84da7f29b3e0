//! Everything between migtrace and the running kernel: what it offers, which program goes where, and loading them.
//!
//! Nothing here knows what a record means; that is [`crate::decode::record`]'s.

pub mod bpf_config;
pub mod catalog;
pub mod kfunc;
pub mod load;
pub mod options;
pub mod program_info;
mod select;
