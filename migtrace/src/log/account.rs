//! What the trace does not hold: loss, fidelity, and the kernel's own counters beside the trace's.

use std::io::{self, Write};

use super::{summary::part, theme, totals::Totals};
use crate::{
    event::escape_control,
    recording::{Meta, coverage},
    text,
};

pub(super) fn write(totals: &Totals, meta: &Meta, out: &mut dyn Write) -> io::Result<()> {
    loss(meta, totals.lost, out)?;
    fidelity(meta, out)?;
    counters(totals, meta, out)
}

/// The account by probe; `counted`: what the loss events count, for a trace without one.
pub(crate) fn loss(meta: &Meta, counted: u64, out: &mut dyn Write) -> io::Result<()> {
    part(out, "loss, by probe")?;
    let balances = coverage::balances(meta);
    if balances.is_empty() {
        writeln!(out, "   no account in this trace; its loss events count {}", text::count(counted, "lost event"))?;
    }
    for b in &balances {
        let a = &b.account;
        if a.seen == 0 && !coverage::is_attached(meta, &a.probe) {
            writeln!(out, "   {:<14} not attached: it saw nothing", escape_control(&a.probe))?;
            continue;
        }
        let causes: Vec<String> =
            a.lost.iter().filter(|(_, n)| **n > 0).map(|(c, n)| format!("{} {n}", escape_control(c))).collect();
        let causes = if causes.is_empty() { String::new() } else { format!(" ({})", causes.join(", ")) };
        let text = format!(
            "{:<14} seen {} = stored {} + lost {}{causes}",
            escape_control(&a.probe),
            a.seen,
            a.stored,
            a.lost()
        );
        let missed = a.missed.filter(|n| *n > 0).map_or_else(String::new, |n| format!("; {}", text::missed(n)));
        let wrong = if b.missing == 0 { String::new() } else { format!("; DOES NOT ADD UP: {} missing", b.missing) };
        let style =
            if a.lost() > 0 || b.missing != 0 || !missed.is_empty() { theme::FAILED } else { anstyle::Style::new() };
        writeln!(out, "   {}", theme::paint(style, text + &missed + &wrong))?;
    }
    if meta.late_events > 0 {
        let late = text::count(meta.late_events, "event");
        writeln!(out, "   {late} came out of the rings late and stand behind later ones")?;
    }
    match meta.end_ns {
        Some(_) => Ok(()),
        None => writeln!(
            out,
            "   the recording was cut off: its last account is not final; its loss events count {}",
            text::count(counted, "lost event")
        ),
    }
}

/// What was not exact.
pub(crate) fn fidelity(meta: &Meta, out: &mut dyn Write) -> io::Result<()> {
    part(out, "fidelity")?;
    if meta.probes.is_empty() {
        return writeln!(out, "   not known: the trace does not list its probes");
    }
    let mut inexact = coverage::inexact(meta).peekable();
    if inexact.peek().is_none() {
        return writeln!(out, "   every probe was attached and exact");
    }
    for p in inexact {
        let what = p.field.as_ref().map_or_else(|| p.probe.clone(), |field| format!("{}.{field}", p.probe));
        let fidelity = if p.attached.is_none() { "unavailable" } else { p.fidelity.as_str() };
        let why = p.error.as_deref().or(p.attached.as_deref()).unwrap_or("no reason given");
        let why = why.trim_end_matches(['\n', ' ', ';']);
        writeln!(out, "   {:<20} {}: {}", escape_control(&what), escape_control(fidelity), escape_control(why))?;
    }
    Ok(())
}

fn counters(totals: &Totals, meta: &Meta, out: &mut dyn Write) -> io::Result<()> {
    part(out, "the kernel's counters (/proc/vmstat, of the whole system) beside this trace")?;
    let all = totals.traced.reconcile(meta);
    if all.is_empty() {
        return writeln!(out, "   not known: the trace does not hold them");
    }
    for r in &all {
        let verdict = match r.difference() {
            _ if meta.sample.is_some() => "estimated from the sample".into(),
            0 => "equal".into(),
            more if more > 0 => {
                format!("{more} more in the system than in this trace: of other processes, filtered, or lost")
            }
            _ => theme::paint(theme::FAILED, "LESS in the system than in this trace: one of the two is wrong"),
        };
        writeln!(out, "   {:<18} {:>8}  traced {:>8}  {verdict} ({})", r.counter, r.gained, r.traced, r.meaning)?;
    }
    Ok(())
}
