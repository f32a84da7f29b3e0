//! `overhead`: what tracing adds to a page fault, with one CPU faulting all the time.
//!
//! Measures CPU time of the faulting thread, which excludes time that other programs or a hypervisor take. On a quiet
//! machine it equals wall time, which is shown beside it.

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

const WATCHERS: [Watcher; 8] = [
    Watcher::Untraced,
    Watcher::Empty,
    Watcher::EmptyPair,
    Watcher::HandFloor,
    Watcher::BpftraceCount,
    Watcher::Perf,
    Watcher::Migtrace,
    Watcher::MigtraceElsewhere,
];

/// Maximum ratios of added CPU time: an arm with migtrace, the arm to compare with, and the ratio.
const LIMITS: [(Watcher, Watcher, f64); 4] = [
    (Watcher::Migtrace, Watcher::Perf, 0.30),
    (Watcher::Migtrace, Watcher::BpftraceCount, 1.25),
    (Watcher::Migtrace, Watcher::HandFloor, 1.5),
    (Watcher::MigtraceElsewhere, Watcher::Empty, 1.2),
];

pub(crate) fn run(lab: &Lab, scale: &Scale) -> Result<Report> {
    let workload = Workload::new(vec![lab.faulting_cpu()], scale.faults);
    // The virtual machine's kernel allows programs on functions; this host's own kernel may not.
    let watchers: Vec<_> = WATCHERS.into_iter().filter(|one| *one != Watcher::EmptyPair || lab.counted).collect();
    let arms = series::interleaved(lab, &workload, &watchers, scale.repeats);
    let base = arms[0].required(|run| run.cpu_ns())?;
    let added = |watcher| series::arm(&arms, watcher).and_then(cpu).and_then(|spread: Spread| spread.above(&base));
    let mut report = Report::new(&[
        ("wall time", Unit::Nanoseconds),
        ("CPU time", Unit::Nanoseconds),
        ("added", Unit::Nanoseconds),
        ("events", Unit::Count),
        ("lost", Unit::Count),
        ("per event", Unit::Bytes),
    ]);
    for arm in &arms {
        let added = (arm.watcher != Watcher::Untraced).then(|| added(arm.watcher)).flatten();
        let wall = arm.spread(|run| run.wall_ns());
        report.row(arm.watcher.name(), [wall, cpu(arm), added, arm.events(), arm.lost(), arm.bytes_per_event()]);
    }
    for (one, other, at_most) in LIMITS {
        let ratio = added(one).zip(added(other)).and_then(|(one, other)| one.over(&other));
        report.limit(format!("added: {} / {}", one.name(), other.name()), Unit::Ratio, ratio, Bound::AtMost(at_most));
    }
    if let Some(arm) = series::arm(&arms, Watcher::Migtrace) {
        arm.limit_lost(&mut report);
    }
    report.notes.push(format!(
        "per fault; {} faults per run of an arm, faulting on CPU {}, tracing on CPU {}",
        workload.faults(),
        lab.faulting_cpu(),
        lab.watching_cpu()
    ));
    series::close(&mut report, &arms);
    Ok(report)
}

fn cpu(arm: &Arm) -> Option<Spread> {
    arm.spread(|run| run.cpu_ns())
}
