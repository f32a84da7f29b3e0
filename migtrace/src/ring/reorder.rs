//! Puts events of several CPUs in order of time.
//!
//! Records enter the ring in the order in which their space was reserved, a little after their time was read, so
//! neighbours of different CPUs can be swapped. Release rule: an event leaves when all records that were reserved up to
//! [`WINDOW_NS`] after its own time have been taken in. A record that took longer from clock to ring comes out late, and
//! is counted.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::event::Event;

/// How long an event waits for earlier ones, ns. From reading the clock to reserving, a program runs some microseconds;
/// an interrupt in between, or a virtual CPU that loses its host, makes it milliseconds.
pub const WINDOW_NS: u64 = 50_000_000;

/// Events waiting for their turn.
#[derive(Default)]
pub struct Reorder {
    waiting: BinaryHeap<Reverse<Waiting>>,
    arrived: u64,
    released_ns: u64,
    late: u64,
}

impl Reorder {
    /// Takes an event in.
    pub fn push(&mut self, event: Event) {
        self.arrived += 1;
        self.waiting.push(Reverse(Waiting { ts_ns: event.ts_ns, arrived: self.arrived, event }));
    }

    /// Lets out what can have nothing before it any more, given that all records reserved before `taken_ns` are in.
    pub fn release(&mut self, taken_ns: u64, out: &mut Vec<Event>) {
        self.release_until(taken_ns.saturating_sub(WINDOW_NS), out);
    }

    /// Lets out all that is left.
    pub fn finish(&mut self, out: &mut Vec<Event>) {
        self.release_until(u64::MAX, out);
    }

    /// Events that came out after a later one.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.late
    }

    fn release_until(&mut self, until_ns: u64, out: &mut Vec<Event>) {
        while self.waiting.peek().is_some_and(|Reverse(first)| first.ts_ns <= until_ns) {
            let Some(Reverse(first)) = self.waiting.pop() else { break };
            if first.ts_ns < self.released_ns {
                self.late += 1;
            }
            self.released_ns = self.released_ns.max(first.ts_ns);
            out.push(first.event);
        }
    }
}

/// An event with its place: by time, then by arrival.
struct Waiting {
    ts_ns: u64,
    arrived: u64,
    event: Event,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        (self.ts_ns, self.arrived) == (other.ts_ns, other.arrived)
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.ts_ns, self.arrived).cmp(&(other.ts_ns, other.arrived))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Body, Phase};

    fn at(ts_ns: u64) -> Event {
        let body = Body::Phase(Phase { text: String::new() });
        Event::at(ts_ns, body)
    }

    fn times(events: &[Event]) -> Vec<u64> {
        events.iter().map(|e| e.ts_ns).collect()
    }

    #[test]
    fn neighbours_are_put_in_order_and_late_ones_counted() {
        let (mut reorder, mut out) = (Reorder::default(), Vec::new());
        for ts in [WINDOW_NS + 20, WINDOW_NS + 10, 3 * WINDOW_NS] {
            reorder.push(at(ts));
        }
        reorder.release(2 * WINDOW_NS + 15, &mut out);
        assert_eq!(times(&out), [WINDOW_NS + 10]);
        reorder.push(at(5));
        reorder.finish(&mut out);
        assert_eq!(times(&out), [WINDOW_NS + 10, 5, WINDOW_NS + 20, 3 * WINDOW_NS]);
        assert_eq!(reorder.late(), 1);
    }
}
