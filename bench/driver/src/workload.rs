//! The toucher: its command line and its report.

use std::{ffi::OsString, fs};

use anyhow::{Context, Result, ensure};
use bench_workloads::Touched;

use crate::lab::Lab;

/// Pages of a round: 128 MiB, far beyond any cache.
const PAGES: u64 = 32_768;

/// How pages are touched.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    pub(crate) cpus: Vec<u32>,
    rounds: u32,
    random: bool,
}

impl Workload {
    /// Returns a workload of at least `faults` measured faults on each CPU, in page order.
    pub(crate) fn new(cpus: Vec<u32>, faults: u64) -> Workload {
        let rounds = faults.div_ceil(PAGES).max(1);
        Workload { cpus, rounds: u32::try_from(rounds).unwrap_or(u32::MAX), random: false }
    }

    /// Touches the pages in random order instead.
    pub(crate) fn shuffled(mut self) -> Workload {
        self.random = true;
        self
    }

    /// Returns the faults of a run, including the round that is not measured.
    pub(crate) fn faults(&self) -> u64 {
        self.cpus.len() as u64 * PAGES * (u64::from(self.rounds) + 1)
    }

    /// Returns the command line. The toucher writes its report to the file that [`Workload::touched`] reads.
    pub(crate) fn argv(&self, lab: &Lab) -> Vec<OsString> {
        let cpus: Vec<_> = self.cpus.iter().map(u32::to_string).collect();
        let mut argv: Vec<OsString> = vec![lab.tools.toucher.clone().into()];
        argv.extend(["--cpus".into(), cpus.join(",").into(), "--pages".into(), PAGES.to_string().into()]);
        argv.extend(["--rounds".into(), self.rounds.to_string().into()]);
        argv.extend(["--report".into(), lab.file(REPORT).into()]);
        if self.random {
            argv.extend(["--order".into(), "random".into()]);
        }
        argv
    }

    /// Reads the report of the run that just ended.
    pub(crate) fn touched(&self, lab: &Lab) -> Result<Vec<Touched>> {
        let file = lab.file(REPORT);
        let report = fs::read(&file).with_context(|| format!("the toucher wrote no {}", file.display()))?;
        // If the next run writes no report, this one must not be read again.
        fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        let touched: Vec<Touched> = serde_json::from_slice(&report).context("cannot read the toucher's report")?;
        for one in &touched {
            let pages = one.pages * one.rounds.len() as u64;
            ensure!(
                one.faults.abs_diff(pages) <= pages / 1000,
                "CPU {}: {pages} pages touched, but {} faults counted by the kernel: the cost per fault is unknown",
                one.cpu,
                one.faults
            );
        }
        Ok(touched)
    }
}

const REPORT: &str = "toucher.json";
