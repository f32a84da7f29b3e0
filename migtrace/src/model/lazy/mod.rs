//! Pages marked for lazy migration: the syscall that marked them, and their fates.

pub mod fate;
pub(crate) mod fork_family;
pub mod funnel;
pub(crate) mod infer_address;
pub(crate) mod marked_page;
pub mod of_run;
pub mod request;
pub mod tracker;
