//! `storm`: what tracing adds to a page fault with all CPUs faulting, and with one.
//!
//! Measures CPU time of the faulting threads, because the tracer shares their CPUs. Wall time is shown beside it.

use anyhow::Result;

use crate::{
    Scale,
    lab::Lab,
    report::{Bound, Report, Unit},
    series::{self, Arm},
    spread::Spread,
    watcher::Watcher,
    workload::Workload,
};

const WATCHERS: [Watcher; 5] =
    [Watcher::Untraced, Watcher::Empty, Watcher::HandFloor, Watcher::Perf, Watcher::Migtrace];
/// Maximum ratio of added time: all CPUs faulting to one CPU faulting.
const AT_MOST: f64 = 1.5;

pub(crate) fn run(lab: &Lab, scale: &Scale) -> Result<Report> {
    let one = Workload::new(vec![lab.faulting_cpu()], scale.faults);
    let all = Workload::new(lab.cpus.clone(), scale.faults);
    let [calm, storm] = series::interleaved_with(lab, [&one, &all], &WATCHERS, scale.repeats);
    let base = |arms: &[Arm]| arms[0].required(|run| run.cpu_ns());
    let (calm_base, storm_base) = (base(&calm)?, base(&storm)?);
    let mut report = Report::new(&[
        ("one CPU: added", Unit::Nanoseconds),
        ("all CPUs: added", Unit::Nanoseconds),
        ("ratio", Unit::Ratio),
        ("CPU time", Unit::Nanoseconds),
        ("wall time", Unit::Nanoseconds),
        ("lost", Unit::Count),
    ]);
    for (calm, storm) in calm.iter().zip(&storm) {
        let watched = calm.watcher != Watcher::Untraced;
        let added = |arm, base| cpu(arm).and_then(|spread| spread.above(base)).filter(|_| watched);
        let (few, many) = (added(calm, &calm_base), added(storm, &storm_base));
        let ratio = many.as_ref().zip(few.as_ref()).and_then(|(many, few)| many.over(few));
        if calm.watcher == Watcher::Migtrace {
            let what = format!("added by {}: all CPUs / one CPU", calm.watcher.name());
            report.limit(what, Unit::Ratio, ratio.clone(), Bound::AtMost(AT_MOST));
            storm.limit_lost(&mut report);
        }
        let wall = storm.spread(|run| run.wall_ns());
        report.row(calm.watcher.name(), [few, many, ratio, cpu(storm), wall, storm.lost()]);
    }
    series::close(&mut report, &calm);
    series::close(&mut report, &storm);
    report.notes.push(format!(
        "{} faults on each of {} CPUs at once, {} on one; CPU time of the faulting threads: the tracer shares \
         their CPUs",
        one.faults(),
        lab.cpus.len(),
        one.faults()
    ));
    Ok(report)
}

fn cpu(arm: &Arm) -> Option<Spread> {
    arm.spread(|run| run.cpu_ns())
}
