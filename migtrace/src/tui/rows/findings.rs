//! What stands out, in sentences that need no manual.

use crate::{
    model::live::{State, latencies::What, process::Process},
    text::{self, Span, Tone, quantity},
};

/// Below this many remote faults, their share is worth no sentence.
const FEW: u64 = 20;
/// From this percentage on, remote faults are worth a sentence.
const MUCH_PERCENT: f64 = 5.0;

/// The sentences, the most important first.
pub(crate) fn of(state: &State) -> Vec<Span> {
    if state.totals.events == 0 {
        return vec![Tone::Dim.paint("Waiting for events: no page fault, migration or placement syscall traced yet.")];
    }
    let found: Vec<_> = [
        loss(state),
        remote(state),
        misplaced(state),
        failed(state),
        moved(state),
        waits(state),
        one_node(state),
        machine(state),
    ]
    .into_iter()
    .flatten()
    .collect();
    if found.is_empty() { vec![Tone::Good.paint("Nothing stands out.")] } else { found }
}

fn loss(state: &State) -> Option<Span> {
    let lost = state.lost().max(state.meta.lost());
    let worst =
        state.losses.iter().max_by_key(|(_, n)| **n).map(|((probe, cause), _)| format!(" (most: {probe}, {cause})"));
    let text = format!(
        "{} were lost{}: the counts are too low by as many.",
        text::count(lost, "event"),
        worst.unwrap_or_default()
    );
    (lost > 0).then(|| Tone::Bad.paint(text))
}

fn remote(state: &State) -> Option<Span> {
    let totals = &state.totals;
    let percent = totals.remote_percent().filter(|p| *p >= MUCH_PERCENT && totals.remote_faults >= FEW)?;
    let worst = worst(state, |p| p.counts.remote_faults).map(|(name, p)| {
        let its = p.counts.remote_percent().map(quantity::percent).unwrap_or_default();
        let nodes = match (p.home(), p.pages.most()) {
            (Some(home), Some(most)) if home != most => {
                format!("; it runs on node {home}, its pages are on node {most}")
            }
            _ => String::new(),
        };
        format!(", most of them in {name} ({its} of its faults{nodes})")
    });
    let text = format!("{} of faults touch a remote page{}.", quantity::percent(percent), worst.unwrap_or_default());
    Some(Tone::Remote.paint(text))
}

fn misplaced(state: &State) -> Option<Span> {
    let n = state.totals.misplaced;
    let worst = worst(state, |p| p.counts.misplaced).map(|(name, _)| format!(", most of them in {name}"));
    let text = format!(
        "{} found a page that its policy wants on another node{}.",
        text::count(n, "check"),
        worst.unwrap_or_default()
    );
    (n > 0).then(|| Tone::Remote.paint(text))
}

fn failed(state: &State) -> Option<Span> {
    let (moved, failed) = (state.moved_pages(&state.totals), state.failed_pages(&state.totals));
    let much = failed > 0 && failed * 20 > moved + failed;
    let text = format!(
        "{} of {} pages were not migrated although the kernel tried.",
        quantity::short_count(failed),
        quantity::short_count(moved + failed)
    );
    much.then(|| Tone::Bad.paint(text))
}

fn moved(state: &State) -> Option<Span> {
    let moved = state.moved_pages(&state.totals);
    let nodes = state
        .moves
        .iter()
        .max_by_key(|(_, n)| *n)
        .map(|((from, to), n)| format!("; most frequent pair: node {from} to {to} ({})", quantity::short_count(n)));
    let causes = state.latencies.iter().filter_map(|(what, times)| match what {
        What::Move(cause) => Some((times.count(), cause)),
        _ => None,
    });
    let cause = causes.max().map(|(_, cause)| format!("; most frequent cause: {cause}")).unwrap_or_default();
    let text = format!(
        "The kernel migrated {}{}{cause}.",
        quantity::short_count(moved) + if moved == 1 { " page" } else { " pages" },
        nodes.unwrap_or_default()
    );
    (moved > 0).then(|| Tone::Good.paint(text))
}

fn waits(state: &State) -> Option<Span> {
    let waited = |p: &Process| p.counts.stalled_ns;
    let (name, process) = worst(state, waited)?;
    let share = process.counts.stalled_ns as f64 * 100.0 / state.elapsed_ns().max(1) as f64;
    let text = format!(
        "{name} waited {} in page faults and placement syscalls, {} of the time.",
        text::duration(process.counts.stalled_ns),
        quantity::percent(share)
    );
    (share >= 10.0).then(|| Tone::Warn.paint(text))
}

fn one_node(state: &State) -> Option<Span> {
    let text = "This machine has one node: no page can be on the wrong one.";
    (state.meta.topology.nodes.len() == 1).then(|| Tone::Dim.paint(text))
}

/// A caveat about times.
fn machine(state: &State) -> Option<Span> {
    state.meta.machine.as_deref().map(|machine| Tone::Dim.paint(format!("This is {}.", text::a_machine(machine))))
}

/// The process with the most of something, if any has it.
fn worst(state: &State, of: impl Fn(&Process) -> u64) -> Option<(String, &Process)> {
    let (id, process) = state.processes.iter().max_by_key(|(id, p)| (of(p), std::cmp::Reverse(*id)))?;
    (of(process) > 0).then(|| (format!("{}/{}", process.comm, id.pid), process))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit;

    fn sentences((meta, events): (crate::recording::Meta, Vec<crate::event::Event>)) -> String {
        let mut state = State::new(meta);
        events.iter().for_each(|e| state.feed(e));
        of(&state).into_iter().map(|span| span.text + "\n").collect()
    }

    #[test]
    fn what_stands_out_has_a_sentence() {
        let text = sentences(testkit::lazy(100, 0..100));
        assert!(text.contains("98% of faults touch a remote page, most of them in memtoy/213"), "{text}");
        assert!(text.contains("100 checks found a page that its policy wants on another node"), "{text}");
        assert!(
            text.contains("migrated 100 pages; most frequent pair: node 1 to 2 (100); most frequent cause: lazy_fault"),
            "{text}"
        );
        assert!(!text.contains("lost"), "{text}");
    }

    #[test]
    fn loss_comes_first() {
        let text = sentences(testkit::lossy());
        assert!(text.starts_with("3 events were lost (most: lazy_migrate, ring_full)"), "{text}");
    }

    #[test]
    fn without_events_it_is_waiting() {
        assert!(sentences((crate::recording::Meta::default(), Vec::new())).starts_with("Waiting for events"));
    }
}
