//! The kernel's own counters, compared with the trace's.

use crate::{
    model::reconcile::Traced,
    recording::Meta,
    text::{self, Line, Span, Tone, line},
};

pub(super) fn lines(traced: &Traced, meta: &Meta) -> Vec<Line> {
    let mut lines = vec![text::part("kernel counters (/proc/vmstat, system-wide) and this trace")];
    let all = traced.reconcile(meta);
    if all.is_empty() {
        lines.push("   unknown: not in the trace".into());
    }
    for r in &all {
        let verdict: Span = match r.difference() {
            _ if meta.sample.is_some() => "estimated from the sample".into(),
            0 => "equal".into(),
            more if more > 0 => format!("{more} more than in this trace: other processes, filtered, or lost").into(),
            _ => Tone::Bad.paint("FEWER than in this trace: one of the two is wrong"),
        };
        let counts = format!("   {:<18} {:>8}  traced {:>8}  ", r.counter, r.gained, r.traced);
        lines.push(line![counts, verdict, format!(" ({})", r.meaning)]);
    }
    lines
}
