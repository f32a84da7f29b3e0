//! The cheapest possible BPF programs (bench/floor-ebpf).

use std::fs;

use anyhow::{Context, Result};
use bench_workloads::Watched;

use super::{Kept, Run};
use crate::{lab::Lab, workload::Workload};

/// A program, or pair of programs, of the floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    Empty,
    EmptyPair,
    Store,
}

pub(super) fn run(lab: &Lab, workload: &Workload, program: Program) -> Result<Run> {
    let name = match program {
        Program::Empty => "empty",
        Program::EmptyPair => "empty-pair",
        Program::Store => "store",
    };
    let report = lab.file("floor.json");
    let mut command = lab.watching([&lab.tools.floor]);
    command.arg(name).arg("--object").arg(&lab.tools.floor_object).arg("--report").arg(&report).arg("--");
    command.args(workload.argv(lab));
    let used = lab.run(command, name)?;
    let watched = fs::read(&report).with_context(|| format!("cannot read {}", report.display()))?;
    let watched: Watched = serde_json::from_slice(&watched).context("cannot read the floor's report")?;
    let kept = Kept { events: watched.records, lost: watched.lost, bytes: None };
    let kept = (program == Program::Store).then(|| kept.covering(workload.faults())).transpose()?;
    Ok(Run::new(&used, workload.touched(lab)?, kept))
}
