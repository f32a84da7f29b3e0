//! A view as JSON, from the rows that the screen shows. docs/top.md lists the keys, which are a contract.

use serde_json::{Map, Value as Json, json};

use super::{
    findings, of_view, rates,
    table::{self, Table, Value},
    waits::Waits,
};
use crate::{
    event::escape_control,
    model::live::node_readings::Reading,
    tui::state::{action::View, app::App, session::Source},
};

/// The shown view. `update` counts from 1.
pub(crate) fn of(app: &App, update: u64) -> Json {
    let state = app.shown();
    let (source, ended) = match &app.source {
        Source::Live => (Json::Null, Json::Null),
        Source::Recording(playing) => (json!(escape_control(&playing.name)), json!(playing.ended)),
    };
    let waits = (app.view == View::Latency).then(|| Waits::of(state));
    json!({
        "update": update,
        "view": app.view_name(),
        "recording": source,
        "recording_ended": ended,
        "time_ns": state.now_ns(),
        "elapsed_ns": state.elapsed_ns(),
        "events": state.totals.events,
        "lost": app.lost(),
        "missed": app.missed(),
        "interrupted": app.is_silenced(),
        "fidelity": fidelity(app),
        "rates": rates_of(app),
        "nodes": state.nodes.online().map(node_of).collect::<Vec<_>>(),
        "findings": findings::of(state).iter().map(|finding| finding.text.clone()).collect::<Vec<_>>(),
        "migration_waits": waits.as_ref().map(Waits::json),
        "further_migration_waits": waits.as_ref().map(Waits::further),
        "rows": of_view::Rows::of(app, app.view).map(|rows| rows_of(app, rows.table(), app.view)),
    })
}

/// null is what the kernel does not show.
fn node_of(reading: &Reading) -> Json {
    let facts = &reading.facts;
    json!({
        "nid": facts.nid,
        "cpus": facts.cpus.as_deref().map(escape_control),
        "mem_bytes": facts.mem_bytes,
        "free_bytes": facts.free_bytes,
        "tier": facts.tier,
        "numa_hit": facts.pages.hit,
        "numa_miss": facts.pages.miss,
        "numa_foreign": facts.pages.foreign,
        "interleave_hit": facts.pages.interleave_hit,
        "local_node": facts.pages.local,
        "other_node": facts.pages.other,
    })
}

fn fidelity(app: &App) -> Json {
    let f = &app.shown().fidelity;
    json!({
        "faults": f.faults.fidelity(),
        "remote_faults": f.remote.fidelity(),
        "misplaced": f.misplaced.fidelity(),
        "migrations": f.moved.fidelity(),
        "fault_times": f.fault_times.fidelity(),
        "syscalls": f.requests.fidelity(),
        "regions": f.regions.fidelity(),
        "marks": f.marks.fidelity(),
    })
}

/// null is what the source does not show.
fn rates_of(app: &App) -> Json {
    let numbers = |rate: &rates::Rate<'_>| {
        if !rate.level.is_available() {
            return json!({ "per_second": null, "mean_per_second": null, "total": null });
        }
        json!({ "per_second": rate.now(), "mean_per_second": rate.mean(), "total": rate.total() })
    };
    rates::all(app).iter().map(|rate| (rate.key.to_owned(), numbers(rate))).collect::<Map<_, _>>().into()
}

/// The rows in the order shown, by the names that their columns have in CSV.
fn rows_of(app: &App, table: &dyn Table, view: View) -> Json {
    let columns = table.columns();
    let row = |row: usize| -> Json {
        let cell = |column: usize| (columns[column].csv_name.to_owned(), value(table.value(row, column)));
        (0..columns.len()).map(cell).collect::<Map<_, _>>().into()
    };
    table::order(table, &app.choice(view), &app.search).into_iter().map(row).collect::<Vec<_>>().into()
}

/// Whole numbers without a point. They are below 2^53, or were rounded by the row already.
fn value(value: Value) -> Json {
    match value {
        Value::Number(n) if n.fract() == 0.0 && (0.0..9.0e15).contains(&n) => json!(n as u64),
        Value::Number(n) => json!(n),
        Value::Text(text) => json!(escape_control(&text)),
        Value::Missing => Json::Null,
    }
}
