//! `throughput`: the recorder's CPU time per event at the full fault rate, and the rate of decoding and writing records
//! from memory.

use anyhow::Result;

use crate::{
    Scale,
    lab::Lab,
    replay::{self, Shape},
    report::{Bound, Failed, Report, Unit},
    series::{self, Arm},
    spread::Spread,
    watcher::Watcher,
    workload::Workload,
};

const WATCHERS: [Watcher; 3] = [Watcher::Untraced, Watcher::Perf, Watcher::Migtrace];
/// Maximum CPU time per event of reader and writer together, ns.
const AT_MOST_NS: f64 = 400.0;
/// A recording has this many times the faults of one for `overhead`.
const LONGER: u64 = 4;
/// Events per second that one core must decode, and decode and write.
const DECODED_AT_LEAST: f64 = 5e6;
const WRITTEN_AT_LEAST: f64 = 3e6;
const REPLAYED: u64 = 4_000_000;

pub(crate) fn run(lab: &Lab, scale: &Scale) -> Result<Report> {
    let workload = Workload::new(vec![lab.faulting_cpu()], scale.faults * LONGER);
    let arms = series::interleaved(lab, &workload, &WATCHERS, scale.repeats);
    let base = arms[0].required(|run| run.cpu_ns())?;
    let mut report = Report::new(&[
        ("recorder", Unit::Nanoseconds),
        ("with the cost of a fault", Unit::Nanoseconds),
        ("start and end", Unit::Seconds),
        ("rate", Unit::PerSecond),
        ("events", Unit::Count),
        ("lost", Unit::Count),
    ]);
    let mut costs = Vec::new();
    for arm in arms.iter().filter(|arm| arm.watcher != Watcher::Untraced) {
        let idle = Spread::of((0..scale.repeats).map(|_| Some(arm.watcher.idle_cpu_ns(lab).ok()? as f64 / 1e9)));
        let cost = idle.as_ref().and_then(|idle| cost(arm, idle.median * 1e9));
        let added = arm.spread(|run| run.cpu_ns()).and_then(|spread| spread.above(&base));
        let all = cost.as_ref().zip(added.as_ref()).and_then(|(cost, added)| cost.plus(added));
        let rate = arm.spread(|run| Some(1e9 / run.wall_ns()?));
        report.row(arm.watcher.name(), [cost.clone(), all, idle, rate, arm.events(), arm.lost()]);
        costs.push(cost);
    }
    if let ([perf, migtrace], [.., arm]) = (&costs[..], &arms[..]) {
        let ratio = migtrace.as_ref().zip(perf.as_ref()).and_then(|(migtrace, perf)| migtrace.over(perf));
        report.limit("recorder: migtrace record / perf record", Unit::Ratio, ratio, Bound::Below(1.0));
        report.limit("recorder: migtrace record", Unit::Nanoseconds, migtrace.clone(), Bound::AtMost(AT_MOST_NS));
        arm.limit_lost(&mut report);
    }
    let replays = [("decoded", DECODED_AT_LEAST), ("decoded and written", WRITTEN_AT_LEAST)];
    // Records from memory: once only decoded, once decoded and written.
    let run = |written| replay::run(lab, Shape::Regular, REPLAYED, written == 1);
    for (runs, (name, at_least)) in series::in_turn(replays.len(), scale.repeats, run).into_iter().zip(replays) {
        report.failed.extend(runs.as_ref().err().map(Failed::of));
        let runs = runs.unwrap_or_default();
        let rate = Spread::of(runs.iter().map(|run| Some(run.events_per_cpu_s)));
        let cost = Spread::of(runs.iter().map(|run| Some(run.cpu_ns_per_event)));
        let events = Spread::of([Some(REPLAYED as f64)]);
        report.row(format!("replay: {name}"), [cost, None, None, rate.clone(), events, None]);
        report.limit(format!("replay: {name}, on a core"), Unit::PerSecond, rate, Bound::AtLeast(at_least));
    }
    report.notes.push(
        "rate: faults per second for the recorders; events per CPU second of all threads for the replays".to_owned(),
    );
    report.notes.push(
        "CPU time per event: of the recorder, minus its time to record a command that does nothing (start and end); \
         then plus the time that tracing adds to a fault"
            .to_owned(),
    );
    series::close(&mut report, &arms);
    Ok(report)
}

/// Returns the CPU time per event, ns, without start and end of the recorder.
fn cost(arm: &Arm, idle_ns: f64) -> Option<Spread> {
    arm.spread(|run| Some((run.watcher_cpu_ns as f64 - idle_ns) / run.kept?.events as f64))
}
