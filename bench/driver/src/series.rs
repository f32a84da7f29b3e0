//! Runs arms alternately, so that load changes on a shared machine affect all of them.

use std::time::Instant;

use anyhow::{Context, Result};
use xtask_common::progress::{clock, say};

use crate::{
    lab::Lab,
    report::{Failed, Report},
    spread::Spread,
    watcher::{Run, Watcher},
    workload::Workload,
};

/// The runs of one arm, one for each pass; empty if one of them failed.
pub(crate) struct Arm {
    pub(crate) watcher: Watcher,
    pub(crate) runs: Vec<Run>,
    error: Option<anyhow::Error>,
}

/// Runs every watcher once in each pass. Each pass starts with another one. Returns the arms in the watchers' order.
pub(crate) fn interleaved(lab: &Lab, workload: &Workload, watchers: &[Watcher], passes: u32) -> Vec<Arm> {
    let [arms] = interleaved_with(lab, [workload], watchers, passes);
    arms
}

/// Does the same with several alternating workloads. Returns a list of arms for each workload.
pub(crate) fn interleaved_with<const N: usize>(
    lab: &Lab,
    workloads: [&Workload; N],
    watchers: &[Watcher],
    passes: u32,
) -> [Vec<Arm>; N] {
    let run = |index: usize| watchers[index / N].run(lab, workloads[index % N]);
    let mut runs: Vec<_> = in_turn(N * watchers.len(), passes, run).into_iter().map(Some).collect();
    std::array::from_fn(|workload| {
        let arm = |(place, &watcher): (usize, &Watcher)| match runs[place * N + workload].take() {
            Some(Err(error)) => Arm { watcher, runs: Vec::new(), error: Some(error) },
            runs => Arm { watcher, runs: runs.and_then(Result::ok).unwrap_or_default(), error: None },
        };
        watchers.iter().enumerate().map(arm).collect()
    })
}

/// Calls `run` with the number of each arm once in each pass. Each pass starts with another arm. Returns each arm's
/// results, pass by pass. After an error, the arm is not run again, and the others continue.
pub(crate) fn in_turn<T>(arms: usize, passes: u32, mut run: impl FnMut(usize) -> Result<T>) -> Vec<Result<Vec<T>>> {
    let mut results: Vec<_> = std::iter::repeat_with(|| Ok(Vec::new())).take(arms).collect();
    for pass in 0..passes as usize {
        let began = Instant::now();
        for arm in order(arms, pass) {
            let Ok(so_far) = &mut results[arm] else { continue };
            match run(arm) {
                Ok(result) => so_far.push(result),
                Err(error) => {
                    say(format!("  failed: {error:#}"));
                    results[arm] = Err(error);
                }
            }
        }
        say(format!("  pass {} of {passes}: {}", pass + 1, clock(began.elapsed())));
    }
    results
}

/// The arms of a pass, in order.
fn order(arms: usize, pass: usize) -> impl Iterator<Item = usize> {
    (0..arms).map(move |index| (index + pass) % arms)
}

/// Returns the arm of a watcher, if it ran.
pub(crate) fn arm(arms: &[Arm], watcher: Watcher) -> Option<&Arm> {
    arms.iter().find(|arm| arm.watcher == watcher)
}

impl Arm {
    /// Returns the spread of a number over the runs.
    pub(crate) fn spread(&self, number: impl Fn(&Run) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.runs.iter().map(number))
    }

    /// Returns the spread of a number that the whole report depends on.
    pub(crate) fn required(&self, number: impl Fn(&Run) -> Option<f64>) -> Result<Spread> {
        self.spread(number).with_context(|| match &self.error {
            Some(error) => format!("{error:#}"),
            None => format!("the arm `{}` measured nothing", self.watcher.name()),
        })
    }

    pub(crate) fn events(&self) -> Option<Spread> {
        self.spread(|run| Some(run.kept?.events as f64))
    }

    pub(crate) fn lost(&self) -> Option<Spread> {
        self.spread(|run| Some(run.kept?.lost as f64))
    }

    pub(crate) fn bytes_per_event(&self) -> Option<Spread> {
        self.spread(|run| {
            let kept = run.kept?;
            Some(kept.bytes? as f64 / kept.events as f64)
        })
    }

    /// Adds the limit that no run lost an event.
    pub(crate) fn limit_lost(&self, report: &mut Report) {
        let lost = self.runs.iter().map(|run| run.kept.map(|kept| kept.lost));
        report.nothing_lost(format!("{}: events lost", self.watcher.name()), lost);
    }
}

/// Share of the time without a CPU above which a run counts as disturbed.
const DISTURBED: f64 = 0.02;

/// Notes which arms failed, and how much other programs disturbed the runs on one CPU.
pub(crate) fn close(report: &mut Report, arms: &[Arm]) {
    for error in arms.iter().filter_map(|arm| arm.error.as_ref()) {
        report.failed.push(Failed::of(error));
    }
    let most = arms.iter().flat_map(|arm| &arm.runs).filter_map(Run::share_waited).fold(0.0, f64::max);
    if most > DISTURBED {
        report.notes.push(format!(
            "the machine was busy: in one run, other programs took the faulting CPU for {:.0} % of the time",
            most * 100.0
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pass_starts_with_another_arm() {
        assert_eq!(order(3, 0).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(order(3, 1).collect::<Vec<_>>(), [1, 2, 0]);
        assert_eq!(order(3, 5).collect::<Vec<_>>(), [2, 0, 1]);
    }

    #[test]
    fn a_failed_arm_is_not_run_again_and_the_others_continue() {
        let mut tried = Vec::new();
        let results = in_turn(2, 2, |arm| {
            tried.push(arm);
            if arm == 0 { Err(anyhow::anyhow!("no")) } else { Ok(tried.len()) }
        });
        assert!(results[0].is_err());
        assert_eq!(results[1].as_ref().expect("both passes"), &[2, 3]);
        assert_eq!(tried, [0, 1, 1]);
    }
}
