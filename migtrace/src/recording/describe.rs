//! A recording's metadata in words: where and when it was recorded, what was lost, and what is not exact.

use std::time::{Duration, SystemTime};

use super::{
    account::ProbeAccount,
    coverage::{Coverage, ProbeInfo},
    meta::{Meta, Node, ProcessDetails},
};
use crate::{
    container::Container,
    text::{self, Line, Tone, escape_control, line},
};

/// Limit of a command line in words, characters; `--json` and the trace have all of it.
const COMMAND_CHARS: usize = 160;

/// When recording began; `None` if wall time is unknown.
#[must_use]
pub fn when(meta: &Meta) -> Option<String> {
    let wall_ns = i128::from(meta.start_ns) + i128::from(meta.wall_offset_ns);
    let ns = u64::try_from(wall_ns).ok().filter(|_| meta.wall_offset_ns != 0)?;
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(ns))?;
    let set = meta.wall_change_ns.map_or_else(String::new, |change_ns| {
        let way = if change_ns < 0 { "back" } else { "forward" };
        format!(" (the wall clock was set {way} by {} during the recording)", text::duration(change_ns.unsigned_abs()))
    });
    Some(format!("{}{set}", humantime::format_rfc3339_seconds(time)))
}

/// When and on which host: `2026-01-01T00:00:00Z, on host`.
#[must_use]
pub fn when_and_where(meta: &Meta) -> String {
    let host = if meta.hostname.is_empty() { "an unnamed host".into() } else { escape_control(&meta.hostname) };
    format!("{}on {host}", when(meta).map(|when| when + ", ").unwrap_or_default())
}

/// The kernel, and the migtrace that recorded.
#[must_use]
pub fn kernel(meta: &Meta) -> String {
    let patched = if meta.kernel_patched { "with migrate-on-fault" } else { "without migrate-on-fault" };
    format!(
        "Linux {}, {patched}; migtrace {}",
        escape_control(&meta.kernel_release),
        escape_control(&meta.migtrace_version)
    )
}

/// The nodes with their CPUs and memory: `0 (CPU 0-3, 2048 MiB), 1 (no CPU, 512 MiB)`.
#[must_use]
pub fn nodes(meta: &Meta) -> String {
    let nodes = &meta.topology.nodes;
    if nodes.is_empty() {
        return "unknown".into();
    }
    let describe = |n: &Node| {
        let cpus = if n.cpus.is_empty() { "no CPU".into() } else { format!("CPU {}", ranges(&n.cpus)) };
        let memory = if n.mem_bytes == 0 { "no memory".into() } else { format!("{} MiB", n.mem_bytes >> 20) };
        format!("{} ({cpus}, {memory})", n.nid)
    };
    nodes.iter().map(describe).collect::<Vec<_>>().join(", ")
}

/// `0-3,8`.
fn ranges(cpus: &[u32]) -> String {
    let mut text = String::new();
    for run in cpus.chunk_by(|a, b| a + 1 == *b) {
        let separator = if text.is_empty() { "" } else { "," };
        text += &match run {
            [one] => format!("{separator}{one}"),
            _ => format!("{separator}{}-{}", run[0], run[run.len() - 1]),
        };
    }
    text
}

/// The traced command, with its exit status if that is not 0.
#[must_use]
pub fn command(meta: &Meta) -> Line {
    let command = escape_control(&meta.command.join(" "));
    match meta.command_status {
        Some(0) | None => command.into(),
        Some(status) => line![command, " ", Tone::Bad.paint(format!("(exit status {status})"))],
    }
}

/// The command line of a process, or else its executable, without control characters. `None` if neither is known, or if
/// there is nothing to read in it.
#[must_use]
pub fn command_of(details: &ProcessDetails) -> Option<String> {
    let words = details.command_line.as_ref().map(|words| words.join(" "));
    let texts = [words, details.executable.clone()];
    texts.into_iter().flatten().map(|text| escape_control(&text)).find(|text| !text.trim().is_empty())
}

/// A process with its command line, or else its executable, and its parent. `None` if neither is known.
#[must_use]
pub fn process(details: &ProcessDetails) -> Option<String> {
    let mut command = command_of(details)?;
    if let Some((end, _)) = command.char_indices().nth(COMMAND_CHARS) {
        command.truncate(end);
        command.push_str("...");
    }
    let parent = details.parent_pid.map_or_else(|| "parent unknown".to_owned(), |pid| format!("parent {pid}"));
    Some(format!("{} ({parent}): {command}", details.pid))
}

/// A cgroup by its path, or by the container that it belongs to.
#[must_use]
pub fn cgroup(path: &str) -> String {
    escape_control(&Container::of(path).map_or_else(|| path.to_owned(), |container| container.to_string()))
}

/// The account by probe. `counted`: what the loss events count, for a trace without an account.
#[must_use]
pub fn loss(meta: &Meta, counted: u64) -> Vec<Line> {
    let mut lines = vec![text::part("lost events, by probe")];
    if meta.account.is_empty() {
        let counted = text::count(counted, "lost event");
        lines.push(format!("   no account in this trace; its loss events count {counted}").into());
    }
    // A probe that is off unless an option asks for it has no hooks here.
    let has_hooks = |a: &&ProbeAccount| {
        a.seen > 0 || meta.probes.is_empty() || meta.probes.iter().any(|hook| hook.probe == a.probe)
    };
    lines.extend(meta.account.iter().filter(has_hooks).map(|a| account(meta, a)));
    if meta.late_events > 0 {
        let late = text::count(meta.late_events, "event");
        lines.push(format!("   {late} read late from the rings: the trace has them after later ones").into());
    }
    if meta.end_ns.is_none() {
        let counted = text::count(counted, "lost event");
        lines.push(
            format!("   the recording did not end: this account is not final; its loss events count {counted}").into(),
        );
    }
    lines
}

/// One probe: seen = stored + lost.
fn account(meta: &Meta, a: &ProbeAccount) -> Line {
    let probe = format!("{:<14}", escape_control(a.probe.as_str()));
    if a.seen == 0 && !meta.coverage(a.probe.clone(), None).is_available() {
        return format!("   {probe} not attached: no events").into();
    }
    let causes: Vec<String> =
        a.lost.iter().filter(|(_, n)| **n > 0).map(|(c, n)| format!("{} {n}", escape_control(c.as_str()))).collect();
    let causes = if causes.is_empty() { String::new() } else { format!(" ({})", causes.join(", ")) };
    let text = format!("{probe} seen {} = stored {} + lost {}{causes}", a.seen, a.stored, a.lost());
    let missed = a.missed.filter(|n| *n > 0).map_or_else(String::new, |n| format!("; {}", text::missed(n)));
    let missing = a.missing();
    let wrong = if missing == 0 { String::new() } else { format!("; DOES NOT ADD UP: {missing} unaccounted for") };
    let tone = if a.lost() > 0 || missing != 0 || !missed.is_empty() { Tone::Bad } else { Tone::Plain };
    line!["   ", tone.paint(text + &missed + &wrong)]
}

/// What was not exact.
#[must_use]
pub fn fidelity(meta: &Meta) -> Vec<Line> {
    let mut lines = vec![text::part("fidelity")];
    if meta.probes.is_empty() {
        lines.push("   unknown: the trace does not list its probes".into());
        return lines;
    }
    lines.extend(meta.inexact().map(|(hook, coverage)| Line::from(inexact(hook, &coverage))));
    if lines.len() == 1 {
        lines.push("   every probe was attached and exact".into());
    }
    lines
}

fn inexact(hook: &ProbeInfo, coverage: &Coverage) -> String {
    let (what, fidelity) = (escape_control(&hook.name()), coverage.fidelity());
    let why = coverage.why().map(|why| escape_control(&why.to_string())).unwrap_or_default();
    format!("   {what:<20} {fidelity}: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A command line can have anything in it, and 4 KiB of it.
    #[test]
    fn a_command_line_is_escaped_and_cut() {
        let mut details = ProcessDetails { pid: 7, ..ProcessDetails::default() };
        assert_eq!(process(&details), None);
        details.executable = Some("/usr/bin/a\nb (deleted)".to_owned());
        assert_eq!(process(&details).as_deref(), Some("7 (parent unknown): /usr/bin/a\\nb (deleted)"));
        details.command_line = Some(vec![String::new(), " ".to_owned()]);
        assert!(
            process(&details).is_some_and(|text| text.ends_with("/usr/bin/a\\nb (deleted)")),
            "blank is no command"
        );
        details.parent_pid = Some(1);
        details.command_line = Some(vec!["\u{1b}[2J".to_owned(), "µ".repeat(COMMAND_CHARS)]);
        let text = process(&details).expect("a command line");
        assert!(text.starts_with("7 (parent 1): \\u{1b}[2J µµ") && text.ends_with("µ..."), "{text}");
    }

    #[test]
    fn cpus_print_as_ranges() {
        assert_eq!(super::ranges(&[0, 1, 2, 5, 8, 9]), "0-2,5,8-9");
        assert_eq!(super::ranges(&[]), "");
    }
}
