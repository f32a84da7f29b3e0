//! Runs `bench-replay decode`, which runs migtrace's library on records from memory.

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::lab::Lab;

/// How regular the synthetic records are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Regular,
    /// Addresses and frames are random numbers.
    Noise,
}

/// Output of `bench-replay decode`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub(crate) struct Replay {
    /// CPU time of all threads together.
    pub(crate) cpu_ns_per_event: f64,
    pub(crate) events_per_cpu_s: f64,
    /// `None` if no trace was written.
    pub(crate) file_bytes_per_event: Option<f64>,
}

/// Decodes `events` records, and writes them to a trace if `written`.
pub(crate) fn run(lab: &Lab, shape: Shape, events: u64, written: bool) -> Result<Replay> {
    let mut replay = lab.anywhere(&lab.tools.replay);
    let shape = match shape {
        Shape::Regular => "regular",
        Shape::Noise => "noise",
    };
    replay.args(["decode", shape, "--events", &events.to_string()]);
    if written {
        replay.arg("--output").arg(lab.file("replay.parquet"));
    }
    let used = lab.run(replay, "replay")?;
    serde_json::from_str(&used.stdout).with_context(|| format!("bench-replay printed no figures: {}", used.stdout))
}
