//! Sections of a recording: one for each phase that the workload announces.

use super::nesting::Nesting;
use crate::event::{Body, Event};

/// One phase and its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// Index of the phase event; `None` for events before the first phase.
    pub phase: Option<usize>,
    /// Top-level events that began in this phase, by start time.
    pub roots: Vec<usize>,
}

/// Splits the top-level events at every phase. Events before the first phase form a section of their own.
#[must_use]
pub fn sections(events: &[Event], nest: &Nesting) -> Vec<Section> {
    let mut sections = vec![Section::default()];
    for &root in nest.roots() {
        match events[root].body {
            Body::Phase(_) => sections.push(Section { phase: Some(root), roots: Vec::new() }),
            _ => sections.last_mut().expect("begins with one").roots.push(root),
        }
    }
    if sections[0].roots.is_empty() {
        sections.remove(0);
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit;

    #[test]
    fn a_section_runs_from_phase_to_phase() {
        let (_, events) = testkit::direct(8);
        let sections = sections(&events, &Nesting::new(&events));
        let texts: Vec<_> = sections
            .iter()
            .map(|s| match s.phase.map(|p| &events[p].body) {
                Some(Body::Phase(p)) => (p.text.as_str(), s.roots.len()),
                _ => ("", s.roots.len()),
            })
            .collect();
        let expected = [
            ("", 6),
            ("anon seg 8p", 0),
            ("mbind seg preferred 1", 1),
            ("touch seg w", 8),
            ("mbind seg bind+move 2", 1),
            ("touch seg r", 0),
            ("exit", 1),
        ];
        assert_eq!(texts, expected);
    }
}
