//! The parts of migtrace: kernel hooks and rings, events, traces, the model, and views of it. docs/architecture.md shows
//! how data flows through them, and which part may use which.

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
pub mod map;
pub mod metrics;
pub mod model;
pub mod output_file;
pub mod plot;
pub mod recording;
pub mod serve;
pub mod summary;
pub mod text;
pub mod trace;
pub mod tui;
pub mod units;

#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
