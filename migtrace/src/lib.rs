//! migtrace's parts, in the order in which data takes its way: kernel hooks and rings, events, the trace, the model, the
//! views. docs/architecture.md draws it.

pub mod event;
pub mod trace;
