//! What migtrace does with records that come from memory: `migtrace bench replay`.

use anyhow::{Context, Result};
use serde::Deserialize;

use super::lab::Lab;

/// How regular the made-up records are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Regular,
    /// Addresses and frames are random numbers.
    Noise,
}

/// What it says of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub(super) struct Replay {
    /// Of all threads together.
    pub(super) cpu_ns_per_event: f64,
    pub(super) events_per_cpu_s: f64,
    /// Where a trace was written.
    pub(super) file_bytes_per_event: Option<f64>,
}

/// Decodes so many records, and writes them to a trace if wanted.
pub(super) fn run(lab: &Lab, shape: Shape, events: u64, written: bool) -> Result<Replay> {
    let mut migtrace = lab.anywhere(&lab.tools.migtrace);
    let shape = match shape {
        Shape::Regular => "regular",
        Shape::Noise => "noise",
    };
    migtrace.args(["bench", "replay", shape, "--events", &events.to_string()]);
    if written {
        migtrace.arg("--output").arg(lab.file("replay.parquet"));
    }
    let used = lab.run(migtrace, "replay")?;
    serde_json::from_str(&used.stdout).with_context(|| format!("migtrace gave no figures: {}", used.stdout))
}
