//! The findings of a comparison in sentences, and what limits them.

use std::collections::BTreeSet;

use super::{
    measure::Measure,
    metric::by_name,
    sides::{Comparison, Side},
    spread::{Difference, Spread, difference},
};
use crate::text;

/// The findings.
pub(super) fn verdict(c: &Comparison) -> Vec<String> {
    let mut lines = Vec::new();
    let without = |requests: Option<u64>| -> Vec<&str> {
        both(c).filter(|r| r.requests == requests).map(|r| r.name.as_str()).collect()
    };
    let (none, unknown) = (without(Some(0)), without(None));
    if !none.is_empty() {
        lines.push(format!("No syscall migrated pages in {}: nothing to compare.", none.join(", ")));
    }
    if !unknown.is_empty() {
        lines.push(format!("Placement syscalls were not recorded in {}: nothing to compare.", unknown.join(", ")));
    }
    if !lines.is_empty() {
        return lines;
    }
    lines.extend(waits(c, "request_ns", "Time in placement syscalls:"));
    lines.extend(faults(c));
    lines.extend(waits(c, "longest_wait_ns", "Longest single wait:"));
    lines.extend(waits(c, "total_ns", "Syscalls and page faults together:"));
    lines.extend(waits(c, "total_per_moved_page_ns", "Total per migrated page:"));
    lines.extend([&c.a, &c.b].into_iter().filter_map(untouched));
    lines
}

/// A duration on both sides, and whether the runs show a difference.
fn waits(c: &Comparison, metric: &str, what: &str) -> Option<String> {
    let metric = by_name(metric)?;
    let (a, b) = (c.a.spread(metric)?, c.b.spread(metric)?);
    let text = |s: &Spread| metric.unit.text(s.median);
    let ratio = c.ratio(metric).map(|r| format!(" ({r:.2} times as long)")).unwrap_or_default();
    let shown = match difference(&a, &b) {
        Difference::Shown => "; the difference exceeds the spread of the runs",
        Difference::NotShown => "; the spread of the runs is too large to show a difference",
        Difference::Unknown => "",
    };
    Some(format!("{what} {} in {}, {} in {}{ratio}{shown}.", text(&a), c.a.label, text(&b), c.b.label))
}

fn faults(c: &Comparison) -> Option<String> {
    let side = |side: &Side| {
        let of = |name: &str| by_name(name).and_then(|m| side.spread(m)).map(|s| s.median);
        let (count, ns) = (of("faults")?, of("fault_ns")?);
        let moved = of("moved_in_fault_pages").filter(|n| *n > 0.0).map(|n| format!(", {n} pages migrated"));
        Some(match count as u64 {
            0 => format!("none in {}", side.label),
            n => {
                let (many, took) = (text::count(n, "fault"), text::duration_f64(ns));
                format!("{many} ({took} in total{}) in {}", moved.unwrap_or_default(), side.label)
            }
        })
    };
    Some(format!("Later page faults on these pages: {}, {}.", side(&c.a)?, side(&c.b)?))
}

fn untouched(side: &Side) -> Option<String> {
    let of = |name: &str| by_name(name).and_then(|m| side.spread(m)).map(|s| s.median);
    let (marked, untouched) = (of("marked_pages")?, of("untouched_pages")?);
    (marked > 0.0).then(|| match untouched {
        0.0 => format!("In {} every marked page was touched: lazy migration avoided no migration.", side.label),
        _ => {
            format!("In {} {untouched} of {marked} marked pages were never touched, and so never migrated.", side.label)
        }
    })
}

fn both(c: &Comparison) -> impl Iterator<Item = &Measure> {
    c.a.runs.iter().chain(&c.b.runs)
}

/// What limits the findings.
pub(super) fn notes(c: &Comparison) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(filtered(c));
    let sampled = both(c).filter_map(|r| Some(format!("{} (one of {})", r.name, r.sample?)));
    let sampled: Vec<String> = sampled.collect();
    if !sampled.is_empty() {
        notes.push(format!("Samples, so counts and times are estimated: {}.", sampled.join(", ")));
    }
    notes.extend(runs(c));
    let machines: BTreeSet<&str> = both(c).filter_map(|r| r.machine.as_deref()).collect();
    notes.extend(machines.into_iter().map(|m| format!("Recorded on {}.", text::a_machine(m))));
    let asked = |side: &Side| by_name("asked_pages").and_then(|m| side.spread(m)).map(|s| s.median);
    if asked(&c.a) != asked(&c.b) {
        notes.push("The two sides requested different numbers of pages: compare per page, not in total.".into());
    }
    notes.push(loss(c));
    for run in both(c).filter(|r| r.funnel_holds == Some(false)) {
        notes.push(format!("In {} the trace does not account for every marked page; see `migtrace log`.", run.name));
    }
    notes.push("A dash means unknown or not applicable.".into());
    notes
}

/// Which events were used, if a filter was.
fn filtered(c: &Comparison) -> Option<String> {
    let filters: BTreeSet<&str> = both(c).filter_map(|r| Some(&*r.filtered.as_ref()?.filter)).collect();
    let of = |r: &Measure| Some(format!("{} of {} in {}", r.events, r.filtered.as_ref()?.of_events, r.name));
    let counts: Vec<String> = both(c).filter_map(of).collect();
    let filters = filters.into_iter().collect::<Vec<_>>().join(" | ");
    (!counts.is_empty()).then(|| format!("Filter: {filters}. Only these events were used: {}.", counts.join(", ")))
}

fn runs(c: &Comparison) -> Vec<String> {
    let (a, b) = (c.a.runs.len(), c.b.runs.len());
    let fewest = a.min(b);
    let mut notes = Vec::new();
    if fewest == 1 {
        let which = if a.max(b) == 1 { "One run per side" } else { "One run on one side" };
        notes.push(format!("{which}: differences may be noise."));
    } else if fewest < 5 {
        notes.push(
            "Medians, with minimum and maximum in parentheses: fewer than 5 runs per side, so no confidence interval."
                .into(),
        );
    } else {
        let coverage = [&c.a, &c.b].into_iter().filter_map(|side| {
            let spread = by_name("request_ns").and_then(|m| side.spread(m))?;
            spread.interval.map(|i| i.coverage)
        });
        let least = coverage.fold(1.0, f64::min) * 100.0;
        notes.push(format!("Medians, with a confidence interval of at least {least:.0} % in brackets."));
    }
    notes
}

fn loss(c: &Comparison) -> String {
    let lost: Vec<String> = both(c)
        .filter(|r| !r.is_lossless)
        .map(|r| match r.lost_events {
            0 => format!("{} (its account is not final)", r.name),
            n => format!("{} ({})", r.name, text::count(n, "event")),
        })
        .collect();
    if lost.is_empty() {
        "No events lost: seen = stored + lost in every trace, and lost is 0.".into()
    } else {
        format!("Events are missing, so that counts and times may be too small: {}.", lost.join(", "))
    }
}
