//! Sums over a recording, taken section by section or at once.

pub mod migration_waits;
pub mod migrations;
pub mod move_requests;
pub mod waits;
