//! migtrace's parts, in the order in which data takes its way: kernel hooks and rings, events, the trace, the model, the
//! views. docs/architecture.md draws it.

pub mod clock;
pub mod compare;
pub mod container;
pub mod counts;
pub mod decode;
pub mod doctor;
pub mod event;
pub mod export;
pub mod filter;
pub mod live;
pub mod log;
pub mod metrics;
pub mod model;
pub mod plot;
pub mod recording;
pub mod serve;
pub mod summary;
pub mod text;
pub mod trace;
pub mod tui;

#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
