//! The report for a person: conditions, then questions, then hooks; what is wrong stands out, and the remedies come last.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::{checks::State, report::Report};
use crate::recording::Fidelity;

const GOOD: Style = AnsiColor::Green.on_default();
const WARN: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const HEAD: Style = Style::new().bold();

/// Writes the report. Hooks that are attached are shown where `all`, else only those that are not.
///
/// # Errors
/// `out` takes no more.
pub fn write(report: &Report, all: bool, out: &mut impl Write) -> io::Result<()> {
    let patched = match report.kernel_patched {
        Some(true) => "with migrate-on-fault",
        Some(false) => "without migrate-on-fault",
        None => "not known whether with migrate-on-fault",
    };
    let machine =
        report.machine.as_deref().map_or_else(String::new, |machine| format!(", virtual machine ({machine})"));
    writeln!(out, "migtrace {} on Linux {}, {patched}{machine}", report.migtrace_version, report.kernel_release)?;

    writeln!(out, "\n{HEAD}what tracing needs{HEAD:#}")?;
    for check in &report.checks {
        let (style, word) = match check.state {
            State::Fine => (GOOD, "fine"),
            State::Limits => (WARN, "limits"),
            State::Missing => (BAD, "MISSING"),
        };
        writeln!(out, "  {style}{word:<8}{style:#} {:<17} {}", check.what, check.found)?;
    }

    writeln!(out, "\n{HEAD}what it can show here{HEAD:#}")?;
    for view in &report.views {
        let style = match view.fidelity {
            Fidelity::Exact => GOOD,
            Fidelity::Estimated => WARN,
            Fidelity::Unavailable => BAD,
        };
        writeln!(out, "  {style}{:<11}{style:#} {}", view.fidelity, view.question)?;
        if let Some(why) = &view.why {
            writeln!(out, "              {why}")?;
        }
    }

    let hooks: Vec<_> =
        report.probes.iter().filter(|probe| all || probe.attached.is_none() || probe.error.is_some()).collect();
    if !hooks.is_empty() {
        let which = if all { "hooks" } else { "hooks that are not as good as can be (--all shows the others)" };
        writeln!(out, "\n{HEAD}{which}{HEAD:#}")?;
    }
    // Hooks that say the same thing, as the fields that one way does not show, stand on one line.
    for same in hooks.chunk_by(|a, b| a.probe == b.probe && (&a.attached, &a.error) == (&b.attached, &b.error)) {
        let Some(first) = same.first() else { continue };
        let style = if first.attached.is_some() { GOOD } else { WARN };
        writeln!(out, "  {style}{}{style:#}", same.iter().map(|probe| probe.name()).collect::<Vec<_>>().join(", "))?;
        if let Some(place) = &first.attached {
            writeln!(out, "      {place}")?;
        }
        // Each way that was tried.
        for refusal in first.error.iter().flat_map(|error| error.split("; ")) {
            writeln!(out, "      not: {refusal}")?;
        }
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
