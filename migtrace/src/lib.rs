//! migtrace's parts, in the order in which data takes its way: kernel hooks and rings, events, the trace, the model, the
//! views. docs/architecture.md draws it.

pub mod aggregate;
pub mod compare;
pub mod container;
pub mod doctor;
pub mod event;
pub mod export;
pub mod filter;
pub mod log;
pub mod metrics;
pub mod model;
pub mod plot;
pub mod privilege;
pub mod probe;
pub mod ring;
pub mod serve;
pub mod source;
pub mod summary;
pub mod synth;
pub mod trace;
pub mod tui;
pub mod words;
pub mod workload;

// Fixtures are shared with the integration tests, which know this crate by its name.
#[cfg(test)]
extern crate self as migtrace;
