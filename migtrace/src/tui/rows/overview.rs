//! The last lines of Overview: loss, overhead, fidelity.

use super::{nodes, probes};
use crate::{
    event::escape_control,
    recording::{Coverage, ProgramCost, Why},
    text::{self, Line, Span, Tone, line, quantity},
    tui::state::app::App,
};

/// What was lost, and what else is not in the numbers.
pub(crate) fn loss(app: &App) -> Line {
    let state = app.shown();
    let mut line = line![Tone::Dim.paint("loss      ")];
    if state.losses.is_empty() && state.meta.lost() == 0 {
        line.push(Tone::Good.paint("0 events lost"));
    } else if state.losses.is_empty() {
        line.push(Tone::Bad.paint(format!("{} lost", text::count(state.meta.lost(), "event"))));
    }
    for ((probe, cause), count) in &state.losses {
        let text = format!(
            "{}: {} {}  ",
            escape_control(probe.as_str()),
            quantity::short_count(*count),
            escape_control(cause.as_str())
        );
        line.push(Tone::Bad.paint(text));
    }
    let (evicted, _) = state.processes.evicted();
    let mut also = Vec::new();
    if evicted > 0 {
        also.push(format!("{} processes evicted", quantity::short_count(evicted)));
    }
    if app.not_counted.lost > 0 {
        also.push(format!("{} lost here: came too fast to be counted", quantity::short_count(app.not_counted.lost)));
    }
    if state.uncounted > 0 {
        also.push(format!("{} lost: the kernel's tables of counts were full", quantity::short_count(state.uncounted)));
    }
    if app.missed() > 0 {
        also.push(text::missed(app.missed()));
    }
    if app.is_silenced() {
        also.push(Why::Interrupted.to_string());
    }
    if let Some(sample) = state.meta.sample {
        also.push(format!("sampled, one event in {sample}"));
    }
    if !also.is_empty() {
        line.push(Tone::Warn.paint(format!("  {}", also.join(", "))));
    }
    line
}

/// The overhead of tracing.
pub(crate) fn overhead(app: &App) -> Line {
    let mut line = line![Tone::Dim.paint("overhead")];
    let cpu = app.overhead.cpu_percent.map(|p| format!("{} of a CPU", quantity::percent(p)));
    let rss = app.overhead.rss_bytes.map(quantity::bytes);
    match (cpu, rss) {
        (None, None) => {}
        (cpu, rss) => {
            let both = [cpu, rss].into_iter().flatten().collect::<Vec<_>>().join(", ");
            line.push(format!("  migtrace {both}"));
        }
    }
    let runs = |p: &ProgramCost| p.run_ns.zip(p.run_count.filter(|n| *n > 0));
    let (ns, count) =
        probes::programs(app).iter().filter_map(runs).fold((0, 0), |(ns, n), (its_ns, its)| (ns + its_ns, n + its));
    line.push(match ns.checked_div(count) {
        Some(ns) => Span::from(format!("  BPF programs {} per run", text::duration(ns))),
        None => Tone::Dim.paint("  BPF programs: not measured"),
    });
    line
}

/// Free memory of the nodes, what they lack, and pages that were wanted elsewhere; `None` if no node was read.
pub(crate) fn nodes(app: &App) -> Option<Line> {
    let mut line = line![Tone::Dim.paint("nodes    ")];
    let mut any = false;
    for reading in app.shown().nodes.online() {
        any = true;
        let facts = &reading.facts;
        let free = facts.free_bytes.map_or_else(|| "?".into(), quantity::bytes);
        let free = (facts.mem_bytes != Some(0)).then(|| format!("{free} free"));
        let has = free.into_iter().chain(facts.lacks().map(str::to_owned)).collect::<Vec<_>>().join(", ");
        line.push(format!(" n{} {has}", facts.nid));
        if let Some(misses) = nodes::rate(app, reading, |pages| pages.miss).filter(|misses| *misses > 0.0) {
            line.push(Tone::Warn.paint(format!(", misses {}", quantity::rate(misses))));
        }
        line.push(" ");
    }
    any.then_some(line)
}

/// How far the numbers can be trusted.
pub(crate) fn fidelity(app: &App) -> Line {
    let f = &app.shown().fidelity;
    let all = [
        ("faults", &f.faults),
        ("remote", &f.remote),
        ("misplaced", &f.misplaced),
        ("migrations", &f.moved),
        ("fault times", &f.fault_times),
        ("syscalls", &f.requests),
        ("regions", &f.regions),
        ("marks", &f.marks),
    ];
    let of = |want: fn(&Coverage) -> bool| {
        all.iter().filter(|(_, level)| want(level)).map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    };
    let parts = [
        ("unavailable ", of(|l| matches!(l, Coverage::Unavailable(_))), Tone::Dim),
        ("~estimated ", of(|l| matches!(l, Coverage::Estimated(_))), Tone::Warn),
        ("exact ", of(|l| matches!(l, Coverage::Exact)), Tone::Good),
    ];
    let mut line = line![Tone::Dim.paint("fidelity  ")];
    for (label, names, tone) in parts.into_iter().filter(|(_, names, _)| !names.is_empty()) {
        line.push(tone.paint(label));
        line.push(format!("{names}  "));
    }
    line
}
