//! Probes: what this kernel shows, what was lost, and what tracing costs.

use super::table::{Column, Table, Value, number, text};
use crate::{
    event::escape_control,
    model::live::State,
    recording::{ProbeInfo, ProgramCost},
    text::{Line, Tone, line, quantity},
    tui::state::{app::App, selection::RowKey},
};

const COLUMNS: [Column; 5] = [
    text("PROBE", "the probe; after a point, the field that it gives"),
    text("FIDELITY", "exact, estimated or unavailable"),
    number("EVENTS", "its events so far"),
    number("LOST", "its events that were lost"),
    text("ATTACHED", "its hooks, or why it is not attached"),
];

/// The rows.
pub(crate) struct Probes<'a> {
    state: &'a State,
}

impl<'a> Probes<'a> {
    pub(crate) fn of(app: &'a App) -> Self {
        Self { state: app.shown() }
    }

    pub(crate) fn probe(&self, row: usize) -> &ProbeInfo {
        &self.state.meta.probes[row]
    }

    /// Events of the probe. A field has none of its own.
    fn events(&self, probe: &ProbeInfo) -> Option<u64> {
        (probe.field.is_none() && probe.attached.is_some())
            .then(|| probe.probe.known().map_or(0, |probe| self.state.events_of(probe)))
    }

    fn lost(&self, probe: &ProbeInfo) -> Option<u64> {
        let reported: u64 =
            self.state.losses.iter().filter(|((name, _), _)| *name == probe.probe).map(|(_, n)| n).sum();
        let account = self.state.meta.account.iter().find(|a| a.probe == probe.probe).map(|a| a.lost());
        (probe.field.is_none() && probe.attached.is_some()).then(|| reported.max(account.unwrap_or(0)))
    }
}

impl Table for Probes<'_> {
    fn columns(&self) -> &'static [Column] {
        &COLUMNS
    }

    fn len(&self) -> usize {
        self.state.meta.probes.len()
    }

    fn key(&self, row: usize) -> RowKey {
        RowKey::Number(row as u64)
    }

    fn value(&self, row: usize, column: usize) -> Value {
        let probe = self.probe(row);
        match column {
            0 => Value::Text(name(probe)),
            1 => Value::Text(probe.coverage().fidelity().to_string()),
            2 => Value::known(self.events(probe)),
            3 => Value::known(self.lost(probe)),
            _ => Value::Text(escape_control(
                probe.attached.as_deref().or(probe.error.as_deref()).unwrap_or("not attached"),
            )),
        }
    }

    fn text(&self, row: usize, column: usize) -> String {
        match (column, self.value(row, column)) {
            (_, Value::Missing) => String::new(),
            (_, Value::Text(text)) => text,
            (_, Value::Number(n)) => quantity::short(n),
        }
    }

    fn default_sort(&self) -> (usize, bool) {
        (0, false)
    }

    fn empty(&self) -> String {
        "the recording lists no probes".to_owned()
    }
}

/// `fault`, or for one field `fault.class`.
pub(crate) fn name(probe: &ProbeInfo) -> String {
    escape_control(&probe.name())
}

/// What happened to the events of all probes; losses are shown also if there are none.
pub(crate) fn account(app: &App) -> Line {
    let state = app.shown();
    let lost = app.lost();
    let mut line = line![
        Tone::Dim.paint("all probes"),
        format!("  {} events", quantity::short_count(state.totals.events)),
        (if lost > 0 { Tone::Bad } else { Tone::Dim }).paint(format!("  lost {}", quantity::short_count(lost))),
    ];
    // Old kernels do not report missed runs, so 0 may mean unknown.
    if app.missed() > 0 {
        line.push(Tone::Bad.paint(format!("  missed {}", quantity::short_count(app.missed()))));
    }
    line.push(Tone::Dim.paint(format!("  aggregated only {}", quantity::short_count(state.unrecorded()))));
    line
}

/// The programs in the kernel with their cost: that of the live ones, or that in the recording.
pub(crate) fn programs(app: &App) -> &[ProgramCost] {
    let recorded = app.meta().own_cost.as_ref().map(|cost| cost.programs.as_slice()).unwrap_or_default();
    if app.overhead.programs.is_empty() { recorded } else { &app.overhead.programs }
}

/// The programs that were measured, with their total time in ns and their number of runs; the most expensive first.
pub(crate) fn measured(app: &App) -> Vec<(&ProgramCost, u64, u64)> {
    let measured = |p: &'_ ProgramCost| Some((p.run_ns?, p.run_count.filter(|n| *n > 0)?));
    let mut programs: Vec<_> =
        programs(app).iter().filter_map(|p| measured(p).map(|(ns, count)| (p, ns, count))).collect();
    programs.sort_by_key(|(p, ns, _)| (std::cmp::Reverse(*ns), p.name.clone()));
    programs
}
