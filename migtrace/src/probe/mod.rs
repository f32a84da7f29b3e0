//! Everything between migtrace and the running kernel: what it offers, which program goes where, and loading them.
//!
//! Nothing here knows what a record means; that is [`crate::ring::decode`]'s.

pub mod attach;
pub mod catalog;
pub mod cgroups;
pub mod kernel;
pub mod kfunc;
pub mod left_behind;
pub mod load;
pub mod machine;
pub mod names;
pub mod offsets;
pub mod program_info;
pub mod support;
pub mod topology;
pub mod vmstat;
