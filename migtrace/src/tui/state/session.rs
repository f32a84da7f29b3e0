//! What the driver reports: where events come from, how a recording is played or written, and the overhead.

use crate::recording::ProgramCost;

/// Where events come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    Live,
    Recording(Playing),
}

/// How a recording is being played.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Playing {
    /// The file's name.
    pub name: String,
    pub events: u64,
    pub events_read: u64,
    pub start_ns: u64,
    pub end_ns: Option<u64>,
    pub position_ns: u64,
    /// Multiple of the original speed; `None`: as fast as it can be read.
    pub speed: Option<f64>,
    pub paused: bool,
    /// All events are read.
    pub ended: bool,
    /// Why the rest cannot be read.
    pub error: Option<String>,
    /// The recording was cut off: its last events are missing.
    pub truncated: bool,
}

/// A recording that is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    pub path: String,
    pub bytes: u64,
}

/// What tracing costs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overhead {
    /// CPU time of this process over the last second, in percent of one CPU.
    pub cpu_percent: Option<f64>,
    pub rss_bytes: Option<u64>,
    /// Cost of the programs in the kernel, as far as it was measured.
    pub programs: Vec<ProgramCost>,
}

/// Events that reached the screen and are in none of its numbers, by weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotCounted {
    /// The filter of the screen excluded them.
    pub filtered: u64,
    /// They came faster than they could be counted.
    pub lost: u64,
}
