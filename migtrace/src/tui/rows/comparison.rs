//! What was counted between two marked moments, as lines of text.

use super::table::UNKNOWN;
use crate::{
    model::live::matrix::Matrix,
    recording::Coverage,
    text::{self, quantity},
    tui::state::{app::App, comparison::Moment},
};

/// A heading, and the lines below it; `None` if no moment is marked.
pub(crate) fn lines(app: &App) -> Option<(String, [String; 4])> {
    let first = app.moments.first()?;
    let state = app.shown();
    let now = Moment::of(state);
    let second = app.moments.get(1).unwrap_or(&now);
    let difference = second.since(first);
    let zero = state.zero_ns();
    let since = |at: u64| quantity::clock(at.saturating_sub(zero));
    let until = if app.moments.len() > 1 { since(second.at_ns) } else { "now".to_owned() };
    let title = format!("from {} to {until}: {}", since(first.at_ns), text::duration(difference.ns));
    let c = &difference.counts;
    let known = |level: &Coverage, count: u64| match level.is_available() {
        true => {
            let rate = difference.per_second(count).map(|r| format!(" ({})", quantity::rate(r))).unwrap_or_default();
            format!("{}{}{rate}", level.sign(), quantity::short_count(count))
        }
        false => UNKNOWN.to_owned(),
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
            "pages migrated {}   failed {}   marked {}",
            known(&f.moved, state.moved_pages(c)),
            known(&f.moved, state.failed_pages(c)),
            known(&f.marks, c.marked_pages)
        ),
        format!("waited {} in faults and syscalls   lost {}", text::duration(c.stalled_ns), difference.lost),
        migrated_pairs(&difference.moves),
    ];
    Some((title, lines))
}

fn migrated_pairs(moves: &Matrix) -> String {
    let mut pairs: Vec<_> = moves.iter().filter(|(_, n)| *n > 0).collect();
    pairs.sort_by_key(|(pair, n)| (std::cmp::Reverse(*n), *pair));
    let pairs: Vec<String> = pairs
        .iter()
        .take(6)
        .map(|((from, to), n)| format!("node {from} → {to}: {}", quantity::short_count(*n)))
        .collect();
    if pairs.is_empty() { "no page changed node".to_owned() } else { pairs.join("   ") }
}
