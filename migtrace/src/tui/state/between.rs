//! What lies between two marked moments.

use ratatui::layout::Rect;

use super::{app::App, moment::Moment};
use crate::tui::{
    format,
    view::canvas::{Canvas, plain},
};
use crate::{model::live::matrix::Matrix, recording::Coverage, text};

/// Lines that it takes.
pub(crate) const LINES: u16 = 5;

/// What lies between marked moments, above the status.
pub(crate) fn draw(app: &App, canvas: &mut Canvas<'_>, place: Rect) {
    let Some(first) = app.moments.first() else { return };
    let state = app.shown();
    let now = Moment::of(state);
    let second = app.moments.get(1).unwrap_or(&now);
    let between = second.since(first);
    let zero = state.zero_ns();
    let since = |at: u64| format::clock(at.saturating_sub(zero));
    let until = if app.moments.len() > 1 { since(second.at_ns) } else { "now".to_owned() };
    let title = format!("from {} to {until}: {}", since(first.at_ns), text::duration(between.ns));
    canvas.heading(place, 0, &title);
    let c = &between.counts;
    let known = |level: &Coverage, count: u64| match level.is_available() {
        true => {
            let rate = between.per_second(count).map(|r| format!(" ({})", format::rate(r))).unwrap_or_default();
            format!("{}{}{rate}", level.sign(), format::count(count))
        }
        false => "?".to_owned(),
    };
    let f = &state.fidelity;
    let lines = [
        format!(
            "faults {}   remote {}   misplaced {}",
            known(&f.faults, c.faults),
            known(&f.remote, c.remote_faults),
            known(&f.misplaced, c.misplaced)
        ),
        format!(
            "pages moved {}   failed {}   marked {}",
            known(&f.moved, state.moved_pages(c)),
            known(&f.moved, state.failed_pages(c)),
            known(&f.marks, c.marked_pages)
        ),
        format!("waited {} in faults and calls   lost {}", text::duration(c.stalled_ns), between.lost),
        moved_between(&between.moves),
    ];
    for (n, text) in lines.into_iter().enumerate() {
        canvas.line(place, n as u16 + 1, &[plain(text)]);
    }
}

fn moved_between(moves: &Matrix) -> String {
    let mut pairs: Vec<_> = moves.iter().filter(|(_, n)| *n > 0).collect();
    pairs.sort_by_key(|(pair, n)| (std::cmp::Reverse(*n), *pair));
    let pairs: Vec<String> =
        pairs.iter().take(6).map(|((from, to), n)| format!("node {from} → {to}: {}", format::count(*n))).collect();
    if pairs.is_empty() { "no page changed its node".to_owned() } else { pairs.join("   ") }
}
