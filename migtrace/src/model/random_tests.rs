//! Random events in random order: nothing panics, funnels account for each mark once, and incremental tracking gives
//! the same result as tracking a whole recording.

use proptest::prelude::*;

use super::{
    Run,
    lazy::{
        funnel::Funnel,
        tracker::{LazyTracker, Limits},
    },
    page_history::tracker::{self, PageTracker},
};
use crate::testkit::{self, PID, SEGMENT, Tape};
use crate::{
    event::{
        Access, Body, Cause, Check, Event, FaultClass, Loss, Mark, Migrate, Outcome, Policy, Task, TaskEvent, Verdict,
    },
    recording::Meta,
};

/// A random event with two processes, few pages and few frames.
fn event(n: usize, draw: [u8; 6]) -> Event {
    let [kind, page, frame, process, choice, order] = draw;
    let (page, pfn) = (u64::from(page % 6), 0x1000 + u64::from(frame % 8));
    let addr = SEGMENT + page * 4096;
    let order = if order < 32 { 1 } else { 0 };
    let reason = (choice % 3 == 0).then(|| "refs".into());
    let verdict = [Verdict::Placed, Verdict::Misplaced, Verdict::Skipped][usize::from(choice % 3)];
    let result = if choice % 2 == 0 { Outcome::Ok } else { Outcome::Failed };
    let body = match kind % 10 {
        0 | 1 => Body::Mark(Mark { addr: (choice > 40).then_some(addr), pfn, nid: 1, order, result, reason }),
        2 => Body::Check(Check { addr, pfn, order, verdict, reason, ..testkit::misplaced(0) }),
        3 | 4 => {
            let cause = [Cause::LazyFault, Cause::Compaction, Cause::Mbind, Cause::MovePages][usize::from(choice % 4)];
            let new_pfn = Some(0x1000 + u64::from(choice % 8));
            let addr = (choice > 60).then_some(addr);
            Body::from(Migrate { addr, old_pfn: pfn, new_pfn, order, result, reason, ..testkit::moved(0, cause) })
        }
        5 => {
            let what = [TaskEvent::Exit, TaskEvent::Exec, TaskEvent::Fork][usize::from(choice % 3)];
            let target_pid = Some(PID + u32::from(frame % 3));
            Body::Task(Task { what, from_node: None, to_node: None, target_pid, pages: None, latency_ns: None })
        }
        6 => Body::Loss(Loss { probe: "check".into(), cause: "ring_full".into(), count: 1 }),
        _ => {
            let mut tape = Tape::new();
            let began = tape.now - u64::from(choice) * 3_000;
            match kind % 3 {
                0 => tape.mbind(6, Policy::Bind, "2", if choice % 2 == 0 { "move|lazy" } else { "move" }, began),
                _ => {
                    let classes = [FaultClass::Swap, FaultClass::Anon, FaultClass::Cow, FaultClass::Huge];
                    tape.fault(addr, Access::Read, classes[usize::from(choice % 4)], Some(1), began);
                }
            }
            tape.events.remove(0).body
        }
    };
    let pid = PID + u32::from(process % 2);
    Event { pid, tid: pid, ..Event::at(testkit::START_NS + 1_000_000 + n as u64 * 10_000, body) }
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let drawn = proptest::collection::vec(any::<[u8; 6]>(), 0..200);
    drawn.prop_map(|all| all.into_iter().enumerate().map(|(n, draw)| event(n, draw)).collect())
}

fn accounted(f: &Funnel) -> u64 {
    f.settled_pages() + f.unknown_pages
}

proptest! {
    #[test]
    fn every_mark_is_in_one_place(events in events(), few in 1_usize..8) {
        let run = Run::new(Meta::default(), events.clone());
        let whole = run.marks.all().clone();
        let all: u64 = run.marks.list().iter().map(|m| m.pages).sum();
        prop_assert_eq!((whole.marked_pages, accounted(&whole)), (all, all));

        let mut funnels = LazyTracker::default();
        events.iter().for_each(|e| funnels.take(e));
        prop_assert_eq!(funnels.all(), &whole);
        let of_requests: u64 = funnels.requests().map(|r| r.funnel.marked_pages).sum();
        prop_assert_eq!(of_requests, all);
        for request in funnels.requests() {
            prop_assert_eq!(accounted(&request.funnel), request.funnel.marked_pages);
        }

        let mut bounded = LazyTracker::new(Limits { marks: few, requests: few, frames: few });
        events.iter().for_each(|e| bounded.take(e));
        let b = bounded.all();
        prop_assert_eq!(b.marked_pages, all);
        prop_assert!(b.is_estimated == (b.evicted_pages > 0) && (b.is_estimated || accounted(b) == all));
        prop_assert!(bounded.requests().count() <= few);
        prop_assert!(bounded.marks().count() <= few);
    }

    #[test]
    fn lives_hold_what_they_say(events in events(), few in 1_usize..12) {
        let limits = tracker::Limits { pages: few, steps: 4 * few, steps_per_page: few, ..Default::default() };
        for mut tracker in [PageTracker::default(), PageTracker::new(limits), PageTracker::only(SEGMENT + 0x2000)] {
            events.iter().for_each(|e| tracker.take(e));
            for page in tracker.pages() {
                let held = page.steps.len() as u64 + page.evicted_steps;
                let c = page.counts;
                let failed_marks = held - (c.faults + c.checks + c.marks + c.moves + c.failed_moves);
                prop_assert!(failed_marks <= held);
                prop_assert!(c.bounces <= c.moves);
                let history = tracker.page(page.id.process, page.id.addr);
                prop_assert!(history.is_some_and(|l| l.entries.len() >= page.steps.len()));
            }
            let evicted: u64 = tracker.pages().map(|p| p.evicted_steps).sum();
            prop_assert_eq!(tracker.gaps().evicted_steps, evicted);
        }
        let mut bounded = PageTracker::new(limits);
        events.iter().for_each(|e| bounded.take(e));
        prop_assert!(bounded.pages().count() <= few);
    }
}
