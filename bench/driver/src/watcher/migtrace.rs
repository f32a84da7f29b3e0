//! migtrace record, to a file.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use xtask_common::command;

use super::{Kept, Run};
use crate::{
    lab::{self, Lab},
    workload::Workload,
};

/// Returns the path of the last recording.
pub(crate) fn file(lab: &Lab) -> PathBuf {
    lab.file("migtrace.parquet")
}

pub(super) fn run(lab: &Lab, workload: &Workload) -> Result<Run> {
    let used = lab.run(record(lab, workload.argv(lab)), "migtrace")?;
    let touched = workload.touched(lab)?;
    let summary =
        Summary::read(&used.stderr).with_context(|| format!("migtrace printed no summary: {}", used.stderr))?;
    let kept = Kept { events: summary.events, lost: summary.lost, bytes: Some(lab::bytes(&file(lab))?) };
    Ok(Run::new(&used, touched, Some(kept.covering(workload.faults())?)))
}

/// Measures the CPU time, ns, to record a command that does nothing.
pub(super) fn idle(lab: &Lab) -> Result<u64> {
    Ok(lab.run(record(lab, ["true"]), "migtrace")?.cpu.as_nanos() as u64)
}

/// Runs the workload while migtrace records another process.
pub(super) fn run_elsewhere(lab: &Lab, workload: &Workload) -> Result<Run> {
    let mut recorder = record(lab, ["sh", "-c", "echo running; exec cat"]);
    recorder.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command::ends_with_this_process(&mut recorder, Signal::SIGTERM);
    let shown = command::shown(&recorder);
    let mut recorder = recorder.spawn().with_context(|| format!("cannot start `{shown}`"))?;
    let mut line = String::new();
    let stdout = recorder.stdout.take().context("the recorder has no output")?;
    BufReader::new(stdout).read_line(&mut line).with_context(|| format!("cannot read the output of `{shown}`"))?;
    let run = if line == "running\n" {
        super::untraced(lab, workload)
    } else {
        Err(anyhow::anyhow!("`{shown}` did not start its command"))
    };
    // Closes the input of `cat`: the recorded command ends, and with it the recording.
    let status = recorder.wait().with_context(|| format!("cannot wait for `{shown}`"))?;
    ensure!(status.success(), "`{shown}` failed: {status}");
    run
}

fn record<I: AsRef<OsStr>>(lab: &Lab, argv: impl IntoIterator<Item = I>) -> Command {
    let mut command = lab.watching([&lab.tools.migtrace]);
    command.args(["record", "--output"]).arg(file(lab)).arg("--").args(argv);
    command
}

/// Parses the events recorded and lost from what `migtrace record` printed.
pub(crate) fn recorded(stderr: &str) -> Option<(u64, u64)> {
    Summary::read(stderr).map(|summary| (summary.events, summary.lost))
}

/// The summary that `migtrace record` prints at its end.
#[derive(Debug, PartialEq, Eq)]
struct Summary {
    events: u64,
    lost: u64,
}

impl Summary {
    /// Parses `migtrace: recorded 120 events (0 lost) in 1.2 s to ...`.
    fn read(stderr: &str) -> Option<Summary> {
        let line = stderr.lines().find_map(|line| line.trim().strip_prefix("migtrace: recorded "))?;
        let (events, rest) = line.split_once(" events (")?;
        Some(Summary { events: events.parse().ok()?, lost: rest.split_once(" lost)")?.0.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_parsed() {
        let stderr = "noise\nmigtrace: recorded 120 events (3 lost) in 1.2 s to a.parquet (77 bytes)\n";
        assert_eq!(Summary::read(stderr), Some(Summary { events: 120, lost: 3 }));
        assert_eq!(Summary::read("error: no\n"), None);
    }
}
