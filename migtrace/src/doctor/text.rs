//! The report as text: requirements, questions, hooks. Problems stand out, and remedies come last.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::{causes, checks::State, report::Report};
use crate::recording::Fidelity;

const GOOD: Style = AnsiColor::Green.on_default();
const WARN: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const HEAD: Style = Style::new().bold();

/// Writes the report. `all` also shows hooks that are attached.
///
/// # Errors
/// Those of `out`.
pub fn write(report: &Report, all: bool, out: &mut impl Write) -> io::Result<()> {
    let patched = match report.kernel_patched {
        Some(true) => "with migrate-on-fault",
        Some(false) => "without migrate-on-fault",
        None => "migrate-on-fault unknown",
    };
    let machine =
        report.machine.as_deref().map_or_else(String::new, |machine| format!(", virtual machine ({machine})"));
    writeln!(out, "migtrace {} on Linux {}, {patched}{machine}", report.migtrace_version, report.kernel_release)?;

    writeln!(out, "\n{HEAD}requirements{HEAD:#}")?;
    for check in &report.checks {
        let (style, word) = match check.state {
            State::Fine => (GOOD, "ok"),
            State::Limits => (WARN, "degraded"),
            State::Missing => (BAD, "MISSING"),
        };
        writeln!(out, "  {style}{word:<9}{style:#} {:<17} {}", check.what, check.found)?;
    }

    // If no hook was tried, all have the same reason, which is also that of every question.
    let reason = report.probes.first().and_then(|probe| probe.error.as_deref());
    let untried =
        reason.filter(|why| report.probes.iter().all(|p| p.attached.is_none() && p.error.as_deref() == Some(why)));

    writeln!(out, "\n{HEAD}what can be answered here{HEAD:#}")?;
    for view in &report.views {
        let style = match view.fidelity {
            Fidelity::Exact => GOOD,
            Fidelity::Estimated => WARN,
            Fidelity::Unavailable => BAD,
        };
        writeln!(out, "  {style}{:<11}{style:#} {}", view.fidelity, view.question)?;
        if let Some(why) = view.why.as_ref().filter(|_| untried.is_none()) {
            writeln!(out, "              {}", causes::without_hooks(why))?;
        }
    }
    match untried {
        Some(why) => writeln!(out, "  ({why})")?,
        None => hooks(report, all, out)?,
    }

    let remedies: Vec<_> = report.checks.iter().filter_map(|check| Some((check, check.remedy.as_ref()?))).collect();
    if !remedies.is_empty() {
        writeln!(out, "\n{HEAD}what to do{HEAD:#}")?;
        for (check, remedy) in remedies {
            writeln!(out, "  {:<17} {remedy}", check.what)?;
        }
    }
    let verdict = if report.can_trace { "migtrace can trace here" } else { "migtrace cannot trace here" };
    writeln!(out, "\n{verdict}")
}

/// Lists the hooks, and then each cause once with what it affects.
fn hooks(report: &Report, all: bool, out: &mut impl Write) -> io::Result<()> {
    let shown: Vec<_> =
        report.probes.iter().filter(|probe| all || probe.attached.is_none() || probe.error.is_some()).collect();
    if shown.is_empty() {
        return Ok(());
    }
    let which = if all { "hooks" } else { "hooks that are not attached, or by a fallback method (--all lists all)" };
    writeln!(out, "\n{HEAD}{which}{HEAD:#}")?;
    for probe in shown.iter().filter(|probe| probe.attached.is_some()) {
        let place = probe.attached.as_deref().unwrap_or_default();
        writeln!(out, "  {GOOD}{}{GOOD:#}: {place}", probe.name())?;
    }
    let mut missing: Vec<_> = shown.iter().filter(|probe| probe.attached.is_none()).map(|probe| probe.name()).collect();
    // Each placement syscall has its own hook, of the same probe.
    missing.dedup();
    if !missing.is_empty() {
        writeln!(out, "  {WARN}not attached{WARN:#}: {}", missing.join(", "))?;
    }
    let causes = causes::by_cause(shown.iter().filter_map(|probe| Some((probe.name(), probe.error.as_deref()?))));
    if !causes.is_empty() {
        writeln!(out, "\n{HEAD}why{HEAD:#}")?;
    }
    for (cause, affected) in causes {
        writeln!(out, "  {cause}\n      {}", affected.join(", "))?;
    }
    Ok(())
}
