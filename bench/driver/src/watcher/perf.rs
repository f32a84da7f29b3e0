//! perf record, to a file.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::{Kept, Run};
use crate::{
    lab::{self, Lab},
    workload::Workload,
};

/// Returns the path of the last recording.
pub(crate) fn file(lab: &Lab, compressed: bool) -> PathBuf {
    lab.file(if compressed { "perf-z.data" } else { "perf.data" })
}

pub(super) fn run(lab: &Lab, workload: &Workload, compressed: bool) -> Result<Run> {
    let file = file(lab, compressed);
    let used = record(lab, &file, compressed, workload.argv(lab))?;
    let touched = workload.touched(lab)?;
    let stats = lab.run(
        lab.watching(["perf", "report", "--stats", "--input"].map(Path::new).into_iter().chain([&*file])),
        "perf-report",
    )?;
    let stats = Stats::read(&stats.stdout).with_context(|| format!("perf report counted nothing: {}", stats.stdout))?;
    Ok(Run::new(&used, touched, Some(stats.kept(workload.faults(), lab::bytes(&file)?))))
}

/// Measures the CPU time, ns, to record a command that does nothing.
pub(super) fn idle(lab: &Lab, compressed: bool) -> Result<u64> {
    let used = record(lab, &lab.file("perf-idle.data"), compressed, ["true"])?;
    Ok(used.cpu.as_nanos() as u64)
}

fn record<I: AsRef<OsStr>>(
    lab: &Lab,
    file: &Path,
    compressed: bool,
    argv: impl IntoIterator<Item = I>,
) -> Result<lab::Used> {
    // perf would keep an old file as FILE.old.
    let _ = fs::remove_file(file);
    let mut perf = lab.watching(["perf", "record", "--quiet", "--event", "exceptions:page_fault_user", "--output"]);
    perf.arg(file);
    if compressed {
        perf.arg("-z");
    }
    perf.arg("--").args(argv);
    lab.run(perf, "perf")
}

/// The counts of `perf report --stats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stats {
    samples: u64,
    /// Records of loss; each reports one or more lost samples.
    losses: u64,
}

impl Stats {
    /// Parses lines like `          SAMPLE events:         97  (86.6%)`. The first match counts: the totals come first.
    fn read(output: &str) -> Option<Stats> {
        let number = |name: &str| {
            output.lines().find_map(|line| line.trim().strip_prefix(name)?.split_whitespace().next()?.parse().ok())
        };
        let losses = ["LOST events:", "LOST_SAMPLES events:"].map(|name| number(name).unwrap_or(0));
        Some(Stats { samples: number("SAMPLE events:")?, losses: losses.iter().sum() })
    }

    /// Returns the events kept and lost. The samples include the few faults of the workload's start. If perf reports
    /// loss, the missing faults are therefore the minimum lost.
    fn kept(self, faults: u64, bytes: u64) -> Kept {
        let lost = if self.losses == 0 { 0 } else { faults.saturating_sub(self.samples).max(1) };
        Kept { events: self.samples, lost, bytes: Some(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_parsed_from_the_totals() {
        let output = "Aggregated stats:\n           TOTAL events:        112\n\
                    \x20           MMAP events:          1  ( 0.9%)\n\
                    \x20            LOST events:          2  ( 0.9%)\n          SAMPLE events:         97  (86.6%)\n\
                    exceptions:page_fault_user stats:\n          SAMPLE events:         97\n";
        let stats = Stats::read(output).expect("counts");
        assert_eq!(stats, Stats { samples: 97, losses: 2 });
        assert_eq!(stats.kept(100, 1), Kept { events: 97, lost: 3, bytes: Some(1) });
        assert_eq!(Stats { losses: 0, ..stats }.kept(90, 1).lost, 0);
        assert_eq!(Stats::read(""), None);
    }
}
