//! Running arms interleaved: what changes on a shared machine meanwhile meets all of them alike.

use std::time::Instant;

use anyhow::Result;

use super::{
    lab::Lab,
    report::Report,
    spread::Spread,
    watcher::{Run, Watcher},
    workload::Workload,
};
use crate::progress::{clock, say};

/// All runs of one arm, one for each pass.
pub(super) struct Arm {
    pub(super) watcher: Watcher,
    pub(super) runs: Vec<Run>,
}

/// Runs every watcher once in each pass, each pass beginning with another one. The arms are in the watchers' order.
pub(super) fn interleaved(lab: &Lab, workload: &Workload, watchers: &[Watcher], passes: u32) -> Result<Vec<Arm>> {
    let [arms] = interleaved_with(lab, [workload], watchers, passes)?;
    Ok(arms)
}

/// The same with several workloads, all taking turns; a list of arms for each workload.
pub(super) fn interleaved_with<const N: usize>(
    lab: &Lab,
    workloads: [&Workload; N],
    watchers: &[Watcher],
    passes: u32,
) -> Result<[Vec<Arm>; N]> {
    let run = |index: usize| watchers[index / N].run(lab, workloads[index % N]);
    let mut runs = in_turn(N * watchers.len(), passes, run)?;
    Ok(std::array::from_fn(|workload| {
        let arm = |(place, &watcher): (usize, &Watcher)| Arm {
            watcher,
            runs: std::mem::take(&mut runs[place * N + workload]),
        };
        watchers.iter().enumerate().map(arm).collect()
    }))
}

/// Does each of so many things once in each pass, each pass beginning with another one. What each of them returned, pass
/// by pass.
pub(super) fn in_turn<T>(things: usize, passes: u32, mut run: impl FnMut(usize) -> Result<T>) -> Result<Vec<Vec<T>>> {
    let mut results: Vec<_> = std::iter::repeat_with(Vec::new).take(things).collect();
    for pass in 0..passes as usize {
        let began = Instant::now();
        for thing in order(things, pass) {
            results[thing].push(run(thing)?);
        }
        say(format!("  pass {} of {passes}: {}", pass + 1, clock(began.elapsed())));
    }
    Ok(results)
}

/// The arms of a pass, in order.
fn order(arms: usize, pass: usize) -> impl Iterator<Item = usize> {
    (0..arms).map(move |index| (index + pass) % arms)
}

/// The arm of a watcher that ran.
pub(super) fn arm(arms: &[Arm], watcher: Watcher) -> Option<&Arm> {
    arms.iter().find(|arm| arm.watcher == watcher)
}

impl Arm {
    /// A number of each run.
    pub(super) fn spread(&self, number: impl Fn(&Run) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.runs.iter().map(number))
    }

    pub(super) fn events(&self) -> Option<Spread> {
        self.spread(|run| Some(run.kept?.events as f64))
    }

    pub(super) fn lost(&self) -> Option<Spread> {
        self.spread(|run| Some(run.kept?.lost as f64))
    }

    pub(super) fn bytes_per_event(&self) -> Option<Spread> {
        self.spread(|run| {
            let kept = run.kept?;
            Some(kept.bytes? as f64 / kept.events as f64)
        })
    }

    /// Adds the limit that it lost nothing in any run.
    pub(super) fn limit_lost(&self, report: &mut Report) {
        let lost = self.runs.iter().map(|run| run.kept.map(|kept| kept.lost));
        report.nothing_lost(format!("{}: events lost", self.watcher.name()), lost);
    }
}

/// Of the time without a CPU from which on a run is said to be disturbed.
const DISTURBED: f64 = 0.02;

/// Says how disturbed the runs were by other programs.
pub(super) fn note_disturbance(report: &mut Report, arms: &[Arm]) {
    let most = arms.iter().flat_map(|arm| &arm.runs).map(Run::share_waited).fold(0.0, f64::max);
    if most > DISTURBED {
        report.notes.push(format!(
            "the machine was busy: in one run the faulting CPU was taken by other programs for {:.0} % of the time",
            most * 100.0
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_arm_comes_first_in_turn() {
        assert_eq!(order(3, 0).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(order(3, 1).collect::<Vec<_>>(), [1, 2, 0]);
        assert_eq!(order(3, 5).collect::<Vec<_>>(), [2, 0, 1]);
    }
}
