//! Code that all tasks and the bench driver share. The tasks are in xtask, the benches in bench/driver.

pub mod command;
pub mod exit;
pub mod files;
pub mod progress;
