//! What was recorded, where and when.

use std::{
    io::{self, Write},
    time::{Duration, SystemTime},
};

use super::{Options, live::HOLD_NS, theme};
use crate::{event::escape_control, model::Run, recording::Meta, text};

pub(super) fn write(run: &Run, name: &str, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let meta = &run.meta;
    writeln!(out, "{}", theme::paint(theme::TITLE, format!("migtrace log of {}", escape_control(name))))?;
    let mut line = |label: &str, text: String| writeln!(out, "  {label:<9}{text}");
    line("recorded", recorded(run))?;
    line("kernel", kernel(meta))?;
    if let Some(machine) = &meta.machine {
        line("machine", text::machine(machine))?;
    }
    line("nodes", nodes(meta))?;
    if !meta.command.is_empty() {
        line("command", command(meta))?;
    }
    if let Some(filter) = &meta.filter {
        line("only", format!("{} was recorded", escape_control(filter)))?;
    }
    if let Some(sample) = meta.sample {
        line(
            "sample",
            format!(
                "one of {sample} faults, checks, marks and moves was recorded: sums below are estimated, each counts {sample} times"
            ),
        )?;
    }
    if !options.filter.is_all() {
        line("filter", escape_control(&options.filter.to_string()))?;
        line("", filtered(run, options))?;
    }
    Ok(())
}

/// Of the running kernel, before the first event.
pub(super) fn live(meta: &Meta, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", theme::paint(theme::TITLE, "migtrace log of the running kernel"))?;
    let mut line = |label: &str, text: String| writeln!(out, "  {label:<9}{text}");
    let host = if meta.hostname.is_empty() { "an unnamed host".into() } else { escape_control(&meta.hostname) };
    line("since", format!("{}on {host}", when(meta).map(|when| when + ", ").unwrap_or_default()))?;
    line("kernel", kernel(meta))?;
    if let Some(machine) = &meta.machine {
        line("machine", text::machine(machine))?;
    }
    line("nodes", nodes(meta))?;
    if let Some(filter) = &meta.filter {
        line("only", format!("{} is traced", escape_control(filter)))?;
    }
    if !options.filter.is_all() {
        line("filter", escape_control(&options.filter.to_string()))?;
        line("", "of what is shown; prose and summary are of all that is traced".into())?;
    }
    let hold = text::duration(HOLD_NS);
    line("lines", format!("come {hold} after they end, with what happened inside them; Ctrl-C ends, with a summary"))
}

/// When recording began, where the trace knows wall time.
pub(crate) fn when(meta: &Meta) -> Option<String> {
    let wall_ns = i128::from(meta.start_ns) + i128::from(meta.wall_offset_ns);
    let ns = u64::try_from(wall_ns).ok().filter(|_| meta.wall_offset_ns != 0)?;
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(ns))?;
    Some(humantime::format_rfc3339_seconds(time).to_string())
}

/// How many events the filter leaves, and what the summary is of.
fn filtered(run: &Run, options: &Options) -> String {
    let shown = run.events.iter().filter(|e| options.filter.wants(*e)).count();
    let (read, all) = (run.events.len() as u64, options.of_events.unwrap_or(run.events.len() as u64));
    let whole = if read == all {
        "all of them".to_owned()
    } else {
        format!("the {read} for which {}", escape_control(&options.filter.of_tasks().to_string()))
    };
    format!("{shown} of {} shown; prose and summary are of {whole}", text::count(all, "event"))
}

fn recorded(run: &Run) -> String {
    let meta = &run.meta;
    let host = if meta.hostname.is_empty() { "an unnamed host".into() } else { escape_control(&meta.hostname) };
    let when = when(meta).map(|when| when + ", ");
    let length = match meta.end_ns {
        Some(end) => text::duration(end.saturating_sub(run.zero_ns())),
        None => "cut off before its end".into(),
    };
    format!("{}on {host}, {}, {length}", when.unwrap_or_default(), text::count(run.events.len() as u64, "event"))
}

pub(crate) fn kernel(meta: &Meta) -> String {
    let patched = if meta.kernel_patched { "with migrate-on-fault" } else { "without migrate-on-fault" };
    format!(
        "Linux {}, {patched}; migtrace {}",
        escape_control(&meta.kernel_release),
        escape_control(&meta.migtrace_version)
    )
}

pub(crate) fn nodes(meta: &Meta) -> String {
    let nodes = &meta.topology.nodes;
    if nodes.is_empty() {
        return "not known".into();
    }
    let describe = |n: &crate::recording::Node| {
        let cpus = if n.cpus.is_empty() { "no cpu".into() } else { format!("cpu {}", ranges(&n.cpus)) };
        format!("{} ({cpus}, {} MiB)", n.nid, n.mem_bytes >> 20)
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

pub(crate) fn command(meta: &Meta) -> String {
    let line = escape_control(&meta.command.join(" "));
    match meta.command_status {
        Some(0) | None => line,
        Some(status) => format!("{line} {}", theme::paint(theme::FAILED, format!("(exit status {status})"))),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn cpus_print_as_ranges() {
        assert_eq!(super::ranges(&[0, 1, 2, 5, 8, 9]), "0-2,5,8-9");
        assert_eq!(super::ranges(&[]), "");
    }
}
