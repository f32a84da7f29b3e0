//! The overhead of recording, as far as the trace has it.

use crate::{
    recording::{Meta, ProgramCost},
    text::{self, Line, escape_control},
};

pub(super) fn lines(meta: &Meta, events: u64) -> Vec<Line> {
    let Some(cost) = &meta.own_cost else { return Vec::new() };
    let each = |ns: u64| match events {
        0 => String::new(),
        n => format!(", {} per event", text::duration_f64(ns as f64 / n as f64)),
    };
    let cpu = |what: &str, ns: Option<u64>| match ns {
        Some(ns) => format!("   {what}: {} of CPU time{}", text::duration(ns), each(ns)),
        None => format!("   {what}: unknown"),
    };
    let memory = match cost.max_rss_bytes {
        Some(bytes) => format!("at most {:.1} MiB", bytes as f64 / f64::from(1 << 20)),
        None => "unknown".into(),
    };
    let mut lines = vec![
        text::part("overhead of recording"),
        cpu("reading the rings", cost.reader_cpu_ns).into(),
        cpu("encoding and writing", cost.writer_cpu_ns).into(),
        format!("   recorder memory: {memory}").into(),
    ];
    if cost.programs.is_empty() {
        lines.push("   in the kernel: unknown".into());
    }
    let (quiet, others): (Vec<_>, Vec<_>) = cost.programs.iter().partition(|program| has_nothing_to_show(program));
    lines.extend(others.iter().map(|program| Line::from(format!("   {}", of_program(program)))));
    match quiet.len() as u64 {
        0 => {}
        n => {
            let programs = text::count(n, if others.is_empty() { "program" } else { "more program" });
            lines.push(format!("   in the kernel, {programs}: no run measured, none missed").into());
        }
    }
    lines
}

/// Whether the kernel measured no run of a program and missed none.
fn has_nothing_to_show(program: &ProgramCost) -> bool {
    program.run_count.is_none() && program.missed == Some(0)
}

/// `fault: 1000 runs measured, 120 ns each; 2 missed`. The kernel measures only part of the time.
fn of_program(program: &ProgramCost) -> String {
    let name = escape_control(&program.name);
    let time = match (program.run_count, program.run_ns) {
        (Some(0), _) => "0 runs".into(),
        (Some(runs), Some(ns)) => {
            let each = text::duration_f64(ns as f64 / runs as f64);
            format!("{} measured, {each} each", text::count(runs, "run"))
        }
        (Some(runs), None) => format!("{}, time not measured", text::count(runs, "run")),
        (None, _) => "no run measured".into(),
    };
    let missed = program.missed.map_or_else(String::new, |n| format!("; {n} missed"));
    format!("in the kernel, {name}: {time}{missed}")
}
