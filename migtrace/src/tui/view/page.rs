//! Page: what happened to one page, and why it moved or stayed.

use crate::{
    event::Event,
    model::live::{State, process::Identity, recent::RECENT},
    tui::{
        app::App,
        canvas::{Piece, dim, plain},
        format,
        log_lines::{LogLine, LogLines},
        theme::Tone,
    },
};

pub(super) fn lines(app: &App) -> Vec<Vec<Piece>> {
    let Some((id, addr)) = app.page else {
        return vec![vec![dim(
            "no page is opened: press enter on a line of 7 Log or a row of 3 Regions, or a for an address",
        )]];
    };
    let state = app.shown();
    let name = state.processes.get(id).map_or_else(|| "process".to_owned(), |p| p.comm.to_string());
    let mut lines = vec![vec![(format!("page {addr:#x} of {name}/{}", id.pid), Tone::Heading)]];
    let events = of_page(state, id, addr);
    lines.push(vec![dim(format!(
        "{} of the last {} events are about it; {} events came before those",
        events.len(),
        format::count(RECENT as u64),
        format::count(state.recent.let_go())
    ))]);
    lines.push(Vec::new());
    lines.extend(LogLines::tell(state, events).iter().map(line));
    lines
}

/// The last events that are about it.
fn of_page(state: &State, id: Identity, addr: u64) -> Vec<Event> {
    let holds = |e: &&Event| Identity::of(e) == id && e.addr().is_some_and(|a| a >> 12 == addr >> 12);
    state.recent.events().iter().filter(holds).cloned().collect()
}

fn line(line: &LogLine) -> Vec<Piece> {
    let at = line.at_ns.map(|ns| format!("{:>12.3} ms  ", ns as f64 / 1e6)).unwrap_or_default();
    let cpu = format!("{:<8} ", line.place);
    vec![dim(at), dim(cpu), plain("  ".repeat(line.depth)), (line.text.clone(), line.tone)]
}
