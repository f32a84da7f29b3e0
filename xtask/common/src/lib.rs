//! What all tasks and the bench driver share. A task's own work is in xtask, a bench's in bench/driver.

pub mod command;
pub mod exit;
pub mod files;
pub mod progress;
