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
        lines.push(format!("No request to move pages in {}: there is nothing to compare.", none.join(", ")));
    }
    if !unknown.is_empty() {
        lines.push(format!("Requests were not recorded in {}: there is nothing to compare.", unknown.join(", ")));
    }
    if !lines.is_empty() {
        return lines;
    }
    lines.extend(waits(c, "request_ns", "Inside the requests the caller waited"));
    lines.extend(faults(c));
    lines.extend(waits(c, "longest_wait_ns", "The longest single wait was"));
    lines.extend(waits(c, "total_ns", "Requests and faults together took"));
    lines.extend(waits(c, "total_per_moved_page_ns", "Per page that moved, that is"));
    lines.extend([&c.a, &c.b].into_iter().filter_map(untouched));
    lines
}

/// A duration on both sides, and whether the runs show a difference.
fn waits(c: &Comparison, metric: &str, what: &str) -> Option<String> {
    let metric = by_name(metric)?;
    let (a, b) = (c.a.spread(metric)?, c.b.spread(metric)?);
    let text = |s: &Spread| metric.unit.text(s.median);
    let ratio = c.ratio(metric).map(|r| format!(", {r:.2} times as long")).unwrap_or_default();
    let shown = match difference(&a, &b) {
        Difference::Shown => "; the difference is greater than the spread of the runs",
        Difference::NotShown => "; the runs spread too far to show a difference",
        Difference::Unknown => "",
    };
    Some(format!("{what} {} in {}, {} in {}{ratio}{shown}.", text(&a), c.a.label, text(&b), c.b.label))
}

fn faults(c: &Comparison) -> Option<String> {
    let side = |side: &Side| {
        let of = |name: &str| by_name(name).and_then(|m| side.spread(m)).map(|s| s.median);
        let (count, ns) = (of("faults")?, of("fault_ns")?);
        let moved = of("moved_in_fault_pages").filter(|n| *n > 0.0).map(|n| format!(", moving {n} pages"));
        Some(match count as u64 {
            0 => format!("none in {}", side.label),
            n => {
                let (many, took) = (text::count(n, "fault"), text::duration_f64(ns));
                format!("{many} of {took} in all{} in {}", moved.unwrap_or_default(), side.label)
            }
        })
    };
    Some(format!("Page faults on these pages afterwards: {}, {}.", side(&c.a)?, side(&c.b)?))
}

fn untouched(side: &Side) -> Option<String> {
    let of = |name: &str| by_name(name).and_then(|m| side.spread(m)).map(|s| s.median);
    let (marked, untouched) = (of("marked_pages")?, of("untouched_pages")?);
    (marked > 0.0).then(|| match untouched {
        0.0 => format!("In {} every marked page was touched: laziness saved no move.", side.label),
        _ => format!("In {} {untouched} of {marked} marked pages were never touched, and so never moved.", side.label),
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
        notes.push(format!(
            "Samples, whose counts and times are estimated from the events that were drawn: {}.",
            sampled.join(", ")
        ));
    }
    notes.extend(runs(c));
    let machines: BTreeSet<&str> = both(c).filter_map(|r| r.machine.as_deref()).collect();
    notes.extend(machines.into_iter().map(|m| format!("Recorded on: {}.", text::machine(m))));
    let asked = |side: &Side| by_name("asked_pages").and_then(|m| side.spread(m)).map(|s| s.median);
    if asked(&c.a) != asked(&c.b) {
        notes.push("The two sides did not ask about as many pages: compare per page, not in all.".into());
    }
    notes.push(loss(c));
    for run in both(c).filter(|r| r.funnel_holds == Some(false)) {
        notes.push(format!(
            "In {} the trace does not account for every marked page (`migtrace log` says more).",
            run.name
        ));
    }
    notes.push("A dash stands for what the trace cannot know, or what does not apply.".into());
    notes
}

/// Which events were used, if a filter was.
fn filtered(c: &Comparison) -> Option<String> {
    let filters: BTreeSet<&str> = both(c).filter_map(|r| Some(&*r.filtered.as_ref()?.filter)).collect();
    let of = |r: &Measure| Some(format!("{} of {} in {}", r.events, r.filtered.as_ref()?.of_events, r.name));
    let counts: Vec<String> = both(c).filter_map(of).collect();
    let filters = filters.into_iter().collect::<Vec<_>>().join(" | ");
    (!counts.is_empty()).then(|| format!("Filter: {filters}. Measured from these events alone: {}.", counts.join(", ")))
}

fn runs(c: &Comparison) -> Vec<String> {
    let (a, b) = (c.a.runs.len(), c.b.runs.len());
    let fewest = a.min(b);
    let mut notes = Vec::new();
    if fewest == 1 {
        let which = if a.max(b) == 1 { "One run a side" } else { "One run on one side" };
        notes.push(format!("{which}: there is no spread, and so no saying what is chance."));
    } else if fewest < 5 {
        notes.push(
            "Medians, with the least and the greatest in parentheses: fewer than 5 runs a side, no interval.".into(),
        );
    } else {
        let coverage = [&c.a, &c.b].into_iter().filter_map(|side| {
            let spread = by_name("request_ns").and_then(|m| side.spread(m))?;
            spread.interval.map(|i| i.coverage)
        });
        let least = coverage.fold(1.0, f64::min) * 100.0;
        notes.push(format!("Medians, with an interval in brackets that holds the true median at {least:.0} %."));
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
        "No event was lost: seen = stored + lost in every trace, and lost is 0.".into()
    } else {
        format!("Events are missing, so that counts and times may be too small: {}.", lost.join(", "))
    }
}
