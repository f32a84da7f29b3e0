//! Nesting of events: batches in placement syscalls, pages in batches, checks and migrations in page faults.
//!
//! The kernel does not report nesting. It follows from time and thread, because a thread does one thing at a time. An
//! event that ended between the start and the end of a syscall of the same thread is nested in it.

use std::cmp::Reverse;

use hashbrown::HashMap;

use crate::event::{Body, Event};

/// The forest of events: parent and children of each event, as indices into the event list.
#[derive(Debug, Default)]
pub struct Nesting {
    parent: Vec<Option<usize>>,
    children: Vec<Vec<usize>>,
    roots: Vec<usize>,
    order: Vec<usize>,
}

impl Nesting {
    /// Computes the nesting of events in any order.
    #[must_use]
    pub fn new(events: &[Event]) -> Self {
        let mut order: Vec<usize> = (0..events.len()).collect();
        order.sort_by_key(|&i| (events[i].ts_ns, Reverse(events[i].start_ns()), i));
        let mut nest = Self {
            parent: vec![None; events.len()],
            children: vec![Vec::new(); events.len()],
            roots: Vec::new(),
            order,
        };
        nest.link(events);
        nest
    }

    fn link(&mut self, events: &[Event]) {
        let mut open: HashMap<u32, Vec<usize>> = HashMap::new();
        for &i in &self.order {
            let open = open.entry(events[i].tid).or_default();
            if is_container(&events[i].body) {
                let first = open.iter().rposition(|&c| !ended_inside(&events[c], &events[i])).map_or(0, |p| p + 1);
                let (inside, beside): (Vec<usize>, Vec<usize>) =
                    open.drain(first..).partition(|&c| may_hold(&events[i].body, &events[c].body));
                open.extend(beside);
                for &child in &inside {
                    self.parent[child] = Some(i);
                }
                self.children[i] = inside;
            }
            open.push(i);
        }
        let by_begin = |i: &usize| (events[*i].start_ns(), events[*i].ts_ns, *i);
        self.children.iter_mut().for_each(|c| c.sort_by_key(by_begin));
        self.roots = open.into_values().flatten().collect();
        self.roots.sort_by_key(by_begin);
    }

    /// Events that are nested in no other, by start time.
    #[must_use]
    pub fn roots(&self) -> &[usize] {
        &self.roots
    }

    /// All events by end time; with equal ends, the inner one first.
    #[must_use]
    pub fn by_end(&self) -> &[usize] {
        &self.order
    }

    /// Events directly nested in `event`, by start time.
    #[must_use]
    pub fn children(&self, event: usize) -> &[usize] {
        &self.children[event]
    }

    /// The event that `event` is directly nested in.
    #[must_use]
    pub fn parent(&self, event: usize) -> Option<usize> {
        self.parent[event]
    }

    /// All events that `event` is nested in, innermost first.
    pub fn ancestors(&self, event: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(self.parent[event], |&i| self.parent[i])
    }

    /// All events nested in `event`, outer before inner.
    #[must_use]
    pub fn descendants(&self, event: usize) -> Vec<usize> {
        let mut found = Vec::new();
        let mut ahead: Vec<usize> = self.children[event].iter().rev().copied().collect();
        while let Some(i) = ahead.pop() {
            found.push(i);
            ahead.extend(self.children[i].iter().rev());
        }
        found
    }
}

const fn is_container(body: &Body) -> bool {
    matches!(body, Body::Request(_) | Body::Batch(_) | Body::Fault(_))
}

/// Which kinds can be nested in which. Pages of one batch overlap in time and contain nothing.
const fn may_hold(outer: &Body, inner: &Body) -> bool {
    match outer {
        Body::Request(_) => {
            !matches!(inner, Body::Request(_) | Body::Phase(_) | Body::Node(_) | Body::Census(_) | Body::Loss(_))
        }
        Body::Fault(_) => {
            matches!(inner, Body::Check(_) | Body::Migrate(_) | Body::Batch(_) | Body::Region(_) | Body::Place(_))
        }
        Body::Batch(_) => matches!(inner, Body::Migrate(_) | Body::Mark(_)),
        _ => false,
    }
}

/// Compares end times, because a start time is derived from a latency that some probes measure slightly late.
fn ended_inside(inner: &Event, outer: &Event) -> bool {
    match inner.latency_ns() {
        Some(ns) if ns > 0 => inner.ts_ns > outer.start_ns(),
        _ => inner.ts_ns >= outer.start_ns(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit;

    #[test]
    fn a_request_holds_its_batch_and_the_batch_its_pages() {
        let (_, events) = testkit::direct(8);
        let nest = Nesting::new(&events);
        let batch = events.iter().position(|e| matches!(e.body, Body::Batch(_))).expect("a batch");
        let request = nest.parent(batch).expect("inside a request");
        assert!(matches!(events[request].body, Body::Request(_)));
        assert_eq!(nest.children(request), [batch]);
        assert_eq!(nest.children(batch).len(), 8);
        assert_eq!(nest.descendants(request).len(), 9);
        assert!(nest.roots().contains(&request) && !nest.roots().contains(&batch));
    }

    #[test]
    fn a_fault_holds_its_check_and_its_migration() {
        let (_, events) = testkit::lazy(8, 0..8);
        let nest = Nesting::new(&events);
        for (i, event) in events.iter().enumerate() {
            if matches!(event.body, Body::Check(_) | Body::Migrate(_)) {
                let fault = nest.parent(i).expect("inside a fault");
                assert!(matches!(events[fault].body, Body::Fault(_)));
                assert_eq!(events[fault].addr(), event.addr());
                assert_eq!(nest.children(fault).len(), 2);
            }
        }
    }

    #[test]
    fn another_threads_events_are_not_inside() {
        let (_, mut events) = testkit::direct(8);
        let page = events.iter().position(|e| matches!(e.body, Body::Migrate(_))).expect("a migration");
        events[page].tid += 1;
        let nest = Nesting::new(&events);
        assert_eq!(nest.parent(page), None);
    }
}
