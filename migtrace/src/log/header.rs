//! What was recorded, where and when.

use super::options::Options;
use crate::{
    event::Body,
    model::Run,
    recording::{
        Meta,
        describe::{self, command, kernel, nodes, when_and_where},
    },
    text::{self, Line, Tone, escape_control, line},
};

/// Limit of processes in a header.
const PROCESSES: usize = 10;

/// A line of a header, with its label.
pub(super) fn labelled(label: &str, value: impl Into<Line>) -> Line {
    line![format!("  {label:<9}"), value.into()]
}

/// Kernel, machine and nodes.
fn system(meta: &Meta) -> impl Iterator<Item = Line> {
    let machine = meta.machine.as_ref().map(|machine| labelled("machine", text::machine(machine)));
    [Some(labelled("kernel", kernel(meta))), machine, Some(labelled("nodes", nodes(meta)))].into_iter().flatten()
}

/// Of a recording with this name.
pub(super) fn of_recording(run: &Run, name: &str, options: &Options) -> Vec<Line> {
    let meta = &run.meta;
    let title = Tone::Strong.paint(format!("migtrace log of {}", escape_control(name)));
    let mut lines = vec![title.into(), labelled("recorded", recorded(run))];
    lines.extend(system(meta));
    if !meta.command.is_empty() {
        lines.push(labelled("command", command(meta)));
    }
    lines.extend(processes(meta));
    if let Some(filter) = &meta.filter {
        lines.push(labelled("only", format!("events with {}", escape_control(filter))));
    }
    if let Some(sample) = meta.sample {
        let text = format!(
            "1 of {sample} faults, checks, marks and migrations was recorded: sums below are estimated, each has weight {sample}"
        );
        lines.push(labelled("sample", text));
    }
    if !options.filter.is_all() {
        lines.push(labelled("filter", escape_control(&options.filter.to_string())));
        lines.push(labelled("", filtered(run, options)));
    }
    lines
}

/// The processes with events, as far as their command lines or executables are known.
pub(super) fn processes(meta: &Meta) -> Vec<Line> {
    let known: Vec<_> = meta.processes.iter().filter_map(describe::process).collect();
    let further = known.len().saturating_sub(PROCESSES);
    let mut lines: Vec<_> = known.into_iter().take(PROCESSES).map(|text| labelled("process", text)).collect();
    if further > 0 {
        lines.push(labelled(
            "",
            format!("and {further} more; `migtrace summary --json` of a trace lists them with their counts"),
        ));
    }
    lines
}

/// Of the running kernel, before the first event. `hold_ns`: delay between an event's end and its line.
pub(super) fn live(meta: &Meta, options: &Options, hold_ns: u64) -> Vec<Line> {
    let title = Tone::Strong.paint("migtrace log of the running kernel");
    let mut lines = vec![title.into(), labelled("since", when_and_where(meta))];
    lines.extend(system(meta));
    if let Some(filter) = &meta.filter {
        lines.push(labelled("only", format!("events with {}", escape_control(filter))));
    }
    if !options.filter.is_all() {
        lines.push(labelled("filter", escape_control(&options.filter.to_string())));
        lines.push(labelled("", "limits what is shown; phase results and summary cover all traced events"));
    }
    let hold = text::duration(hold_ns);
    let text = format!(
        "appear {hold} after their event ended, with the events nested in it; Ctrl-C ends the log with a summary"
    );
    lines.push(labelled("lines", text));
    lines
}

/// How many events the filter selects, and which events the summary covers.
fn filtered(run: &Run, options: &Options) -> String {
    let shown = run.events.iter().filter(|e| options.filter.wants(*e)).count();
    let (read, all) = (run.events.len() as u64, options.of_events.unwrap_or(run.events.len() as u64));
    let whole = if read == all {
        "all of them".to_owned()
    } else {
        format!("the {read} with {}", escape_control(&options.filter.of_tasks().to_string()))
    };
    format!("{shown} of {} shown; phase results and summary cover {whole}", text::count(all, "event"))
}

fn recorded(run: &Run) -> String {
    let length = match run.meta.end_ns {
        Some(end) => text::duration(end.saturating_sub(run.zero_ns())),
        None => "did not end".into(),
    };
    let events =
        run.events.iter().filter(|event| !matches!(event.body, Body::Node(_) | Body::Census(_))).count() as u64;
    format!("{}, {}, {length}", when_and_where(&run.meta), text::count(events, "event"))
}
