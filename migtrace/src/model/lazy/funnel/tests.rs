//! Funnels of literal events: each closes exactly, or says why it does not.

use super::*;
use crate::{
    event::{Access, Body, Cause, Check, Event, FaultClass, Loss, Migrate, Outcome, TaskEvent, Verdict},
    model::Run,
    model::lazy::tracker::{LazyTracker, Limits},
    testkit::{self, PAGES, PID, SEGMENT, Tape},
};

/// A lazy request for these pages, not touched so far.
fn marked(pages: u64) -> Tape {
    let mut tape = Tape::new();
    tape.start(pages);
    tape.mark_lazily(pages);
    tape
}

/// By the events of a tape as they come, which the recording as a whole must agree with.
fn funnel(tape: &Tape) -> Funnel {
    let mut funnels = LazyTracker::default();
    tape.events.iter().for_each(|e| funnels.take(e));
    let run = Run::new(crate::recording::Meta::default(), tape.events.clone());
    assert_eq!(*funnels.all(), run.marks.all().clone(), "live and as a whole");
    let requests: Vec<&Funnel> = funnels.requests().map(|r| &r.funnel).collect();
    assert_eq!(requests, [funnels.all()], "of the only request");
    funnels.all().clone()
}

/// Migrated, placed, failed, gone, untouched.
fn counts(f: &Funnel) -> [u64; 5] {
    [f.migrated_pages, f.placed_pages, f.failed_total_pages(), f.gone_total_pages(), f.untouched_pages]
}

/// A touch whose check came to this, and that moved nothing.
fn checked(tape: &mut Tape, page: u64, verdict: Verdict, reason: Option<&str>) {
    let began = tape.now;
    tape.wait(9_000);
    tape.push(Body::Check(Check { verdict, reason: reason.map(Into::into), ..testkit::misplaced(page) }));
    tape.wait(2_000);
    tape.fault(SEGMENT + page * 4096, Access::Read, FaultClass::Swap, Some(1), began);
}

#[test]
fn all_some_and_no_pages_touched() {
    for touched in [0, 3, PAGES] {
        let mut tape = marked(PAGES);
        tape.touch_again(0..touched);
        let f = funnel(&tape);
        assert_eq!((f.total_pages(), counts(&f)), (PAGES, [touched, 0, 0, 0, PAGES - touched]));
        assert!(f.holds(), "{f:?}");
    }
}

#[test]
fn what_a_killed_process_did_not_touch_is_gone() {
    let mut tape = marked(PAGES);
    tape.touch_again(0..2);
    tape.task(TaskEvent::Exit);
    let f = funnel(&tape);
    assert_eq!(counts(&f), [2, 0, 0, 6, 0]);
    assert_eq!((f.gone(Gone::Exited), f.never_touched_pages()), (6, 6));
    assert!(f.holds(), "{f:?}");
}

#[test]
fn another_program_has_none_of_the_pages() {
    let mut tape = marked(PAGES);
    tape.task(TaskEvent::Exec);
    tape.task(TaskEvent::Exit);
    let f = funnel(&tape);
    assert_eq!((counts(&f), f.holds()), ([0, 0, 0, PAGES, 0], true));
}

#[test]
fn a_child_that_has_the_pages_can_still_touch_them() {
    let mut tape = marked(PAGES);
    tape.task(TaskEvent::Fork);
    let fork = tape.events.last_mut().expect("a fork");
    if let Body::Task(t) = &mut fork.body {
        t.target_pid = Some(PID + 1);
    }
    tape.task(TaskEvent::Exit);
    assert_eq!(counts(&funnel(&tape)), [0, 0, 0, 0, PAGES], "the child has them");
    tape.lazy_fault(2, Access::Read);
    let from = tape.events.len() - 3;
    tape.task(TaskEvent::Exit);
    for event in &mut tape.events[from..] {
        (event.pid, event.tid) = (PID + 1, PID + 1);
    }
    let f = funnel(&tape);
    assert_eq!((counts(&f), f.holds()), ([1, 0, 0, PAGES - 1, 0], true));
}

#[test]
fn a_range_that_is_unmapped_half_way_is_gone_when_other_pages_take_its_place() {
    let mut tape = marked(PAGES);
    tape.touch_again(0..4);
    for page in 0..PAGES {
        let began = tape.now;
        tape.wait(40_000);
        tape.fault(SEGMENT + page * 4096, Access::Write, FaultClass::Anon, Some(2), began);
    }
    let f = funnel(&tape);
    assert_eq!((counts(&f), f.gone(Gone::Unmapped)), ([4, 0, 0, 4, 0], 4));
    assert!(f.holds(), "{f:?}");
}

#[test]
fn a_range_that_is_unmapped_half_way_is_gone_with_its_process_where_nothing_shows_it_before() {
    let mut tape = marked(PAGES);
    tape.touch_again(0..4);
    let f = funnel(&tape);
    assert_eq!((counts(&f), f.holds()), ([4, 0, 0, 0, 4], true));
    tape.task(TaskEvent::Exit);
    let f = funnel(&tape);
    assert_eq!((counts(&f), f.holds()), ([4, 0, 0, 4, 0], true));
}

#[test]
fn pages_that_are_placed_already() {
    let mut tape = marked(PAGES);
    (0..PAGES).for_each(|page| checked(&mut tape, page, Verdict::Placed, None));
    let f = funnel(&tape);
    assert_eq!((counts(&f), f.holds()), ([0, PAGES, 0, 0, 0], true));
}

#[test]
fn a_pinned_page_fails_for_its_reason() {
    let mut tape = marked(PAGES);
    tape.touch_again(2..PAGES);
    checked(&mut tape, 0, Verdict::Skipped, Some("dma_pinned"));
    // Pinned in another way: only the migration finds out.
    let began = tape.now;
    tape.wait(9_000);
    tape.push(Body::Check(testkit::misplaced(1)));
    let (result, reason) = (Outcome::Failed, Some("refs".into()));
    tape.push(Body::from(Migrate { result, reason, new_pfn: None, ..testkit::moved(1, Cause::LazyFault) }));
    tape.fault(SEGMENT + 4096, Access::Read, FaultClass::Swap, Some(1), began);
    let f = funnel(&tape);
    assert_eq!((counts(&f), f.holds()), ([PAGES - 2, 0, 2, 0, 0], true));
    let reasons: Vec<(&str, u64)> = f.failed_pages.iter().map(|(r, n)| (&**r, *n)).collect();
    assert_eq!(reasons, [("dma_pinned", 1), ("refs", 1)]);
}

#[test]
fn a_fault_that_is_tried_again_does_not_hide_how_it_ended() {
    let mut tape = marked(1);
    tape.fault(SEGMENT, Access::Read, FaultClass::Swap, None, tape.now - 100);
    if let Some(Body::Fault(f)) = tape.events.last_mut().map(|e| &mut e.body) {
        f.result = Some("retry".into());
    }
    tape.lazy_fault(0, Access::Read);
    let f = funnel(&tape);
    assert_eq!((counts(&f), f.holds()), ([1, 0, 0, 0, 0], true));
}

#[test]
fn a_huge_folio_is_touched_as_one() {
    const HUGE: u64 = 512;
    let at = |page: u64| SEGMENT + page * 4096;
    let mut tape = marked(1);
    for event in &mut tape.events {
        match &mut event.body {
            Body::Mark(m) => m.order = 9,
            Body::Batch(b) => b.succeeded = HUGE,
            Body::Request(r) => r.len = Some(HUGE * 4096),
            _ => {}
        }
    }
    assert_eq!((counts(&funnel(&tape)), funnel(&tape).holds()), ([0, 0, 0, 0, HUGE], true));
    // Page 7 is touched; the whole folio moves. Page 8's touch finds it placed.
    let began = tape.now;
    tape.push(Body::Check(Check { addr: at(7), order: 9, ..testkit::misplaced(0) }));
    tape.push(Body::from(Migrate { order: 9, addr: Some(at(0)), ..testkit::moved(0, Cause::LazyFault) }));
    tape.fault(at(7), Access::Read, FaultClass::Swap, Some(2), began);
    checked(&mut tape, 8, Verdict::Placed, None);
    let f = funnel(&tape);
    assert_eq!((counts(&f), f.holds()), ([HUGE, 0, 0, 0, 0], true));
}

#[test]
fn a_page_that_moved_unseen_is_found_by_its_address() {
    let mut tape = marked(PAGES);
    // Compaction by a thread that is not traced gave it another frame.
    tape.push(Body::Check(Check { pfn: 0x77777, verdict: Verdict::Placed, ..testkit::misplaced(3) }));
    let f = funnel(&tape);
    assert_eq!((counts(&f), f.holds()), ([0, 1, 0, 0, PAGES - 1], true));
}

#[test]
fn a_lost_migration_breaks_the_identity_instead_of_passing_as_untouched() {
    let (meta, events) = testkit::lossy();
    let funnel = Run::new(meta, events).marks.all().clone();
    assert_eq!((funnel.total_pages(), funnel.migrated_pages, funnel.unknown_pages), (8, 5, 3));
    assert!(!funnel.holds());
}

#[test]
fn loss_makes_untouched_pages_doubtful() {
    let mut tape = marked(PAGES);
    tape.touch_again(0..2);
    tape.push(Body::Loss(Loss { probe: "request".into(), cause: "ring_full".into(), count: 5 }));
    assert!(funnel(&tape).holds(), "of a probe that tells nothing of touches");
    tape.push(Body::Loss(Loss { probe: "check".into(), cause: "ring_full".into(), count: 3 }));
    let f = funnel(&tape);
    assert_eq!((counts(&f), f.lost_events), ([2, 0, 0, 0, 6], 3));
    assert!(f.is_doubtful() && !f.holds(), "{f:?}");
}

#[test]
fn loss_after_the_last_page_is_settled_matters_nothing() {
    let mut tape = marked(PAGES);
    tape.touch_again(0..PAGES);
    tape.push(Body::Loss(Loss { probe: "check".into(), cause: "ring_full".into(), count: 3 }));
    let f = funnel(&tape);
    assert!(f.holds() && !f.is_doubtful(), "{f:?}");
}

#[test]
fn a_lost_mark_shows_against_the_kernels_own_count() {
    let mut tape = marked(PAGES);
    let lost = tape.events.iter().position(|e| matches!(e.body, Body::Mark(_))).expect("a mark");
    tape.events.remove(lost);
    let f = funnel(&tape);
    assert_eq!((f.total_pages(), f.marked_pages, f.settled_pages()), (8, 7, 7));
    assert!(!f.holds());
}

#[test]
fn of_more_pages_than_can_be_followed_the_funnel_is_estimated() {
    let follow = |tape: &Tape| {
        let mut funnels = LazyTracker::new(Limits { marks: 5, ..Limits::default() });
        tape.events.iter().for_each(|e| funnels.take(e));
        let of_request = funnels.requests().next().map(|r| r.funnel.clone()).expect("a request");
        assert_eq!(&of_request, funnels.all());
        of_request
    };
    let mut tape = marked(PAGES);
    let f = follow(&tape);
    assert_eq!((f.total_pages(), counts(&f), f.evicted_pages), (PAGES, [0, 0, 0, 0, PAGES], 3));
    assert!(f.is_estimated && !f.holds());
    // Two that are not followed, and one that is.
    tape.touch_again([0, 7]);
    checked(&mut tape, 1, Verdict::Placed, None);
    assert_eq!(counts(&follow(&tape)), [2, 1, 0, 0, 5]);
    tape.task(TaskEvent::Exit);
    let f = follow(&tape);
    assert_eq!((counts(&f), f.gone(Gone::Exited)), ([2, 1, 0, 5, 0], 5));
}

#[test]
fn old_requests_stay_in_the_funnel_of_all() {
    let mut funnels = LazyTracker::new(Limits { requests: 2, ..Limits::default() });
    let mut tape = Tape::new();
    tape.start(PAGES);
    for _ in 0..5 {
        tape.mark_lazily(PAGES);
        tape.touch_again(0..PAGES);
    }
    tape.events.iter().for_each(|e| funnels.take(e));
    assert_eq!((funnels.requests().count(), funnels.evicted_requests()), (2, 3));
    assert_eq!((funnels.all().total_pages(), funnels.all().migrated_pages), (5 * PAGES, 5 * PAGES));
    assert!(funnels.requests().all(|r| r.funnel.holds() && r.request.is_some()));
}

#[test]
fn requests_of_several_threads_are_kept_apart() {
    let (mut a, mut b) = (marked(PAGES), marked(4));
    b.events.iter_mut().for_each(|e| e.tid = PID + 7);
    for (offset, mark) in (0x100..).zip(b.events.iter_mut()) {
        if let Body::Mark(m) = &mut mark.body {
            (m.pfn, m.addr) = (m.pfn + offset, m.addr.map(|a| a + (1 << 30)));
        }
    }
    a.events.extend(b.events);
    a.events.sort_by_key(|e| e.ts_ns);
    let mut funnels = LazyTracker::default();
    a.events.iter().for_each(|e| funnels.take(e));
    let of: Vec<(u32, u64)> = funnels.requests().map(|r| (r.tid, r.funnel.marked_pages)).collect();
    assert!(of.contains(&(PID, PAGES)) && of.contains(&(PID + 7, 4)) && of.len() == 2, "{of:?}");
    assert!(funnels.requests().all(|r| r.funnel.holds()));
}

#[test]
fn a_sample_is_weighted_and_holds_nothing() {
    let mut tape = marked(64);
    tape.touch_again(0..32);
    // One of 4, the drawn ones.
    let mut drawn = 0;
    tape.events.retain(|e| match e.body {
        Body::Mark(_) | Body::Check(_) | Body::Migrate(_) | Body::Fault(_) => {
            drawn += 1;
            drawn % 4 == 0
        }
        _ => true,
    });
    for event in &mut tape.events {
        if matches!(event.body, Body::Mark(_) | Body::Check(_) | Body::Migrate(_) | Body::Fault(_)) {
            event.weight = std::num::NonZeroU32::new(4);
        }
    }
    let moves = tape.events.iter().filter(|e| matches!(e.body, Body::Migrate(_))).count() as u64;
    let f = funnel(&tape);
    assert_eq!((f.total_pages(), f.migrated_pages, f.untouched_pages), (64, 4 * moves, 64 - 4 * moves));
    assert!(moves > 0 && f.is_estimated && !f.holds(), "{f:?}");
}

#[test]
fn a_recording_in_which_only_some_kinds_are_samples_is_estimated_too() {
    let mut tape = marked(PAGES);
    tape.touch_again(0..4);
    tape.task(TaskEvent::Exit);
    for event in &mut tape.events {
        if matches!(event.body, Body::Migrate(_)) {
            event.weight = std::num::NonZeroU32::new(2);
        }
    }
    let f = funnel(&tape);
    assert_eq!((f.total_pages(), f.migrated_pages, f.is_estimated, f.holds()), (PAGES, 8, true, false));
}

/// A request whose return was lost, then one whose was not.
#[test]
fn marks_are_parted_by_the_requests_that_hold_them() {
    let mut tape = marked(PAGES);
    assert!(matches!(tape.events.pop().map(|e: Event| e.body), Some(Body::Request(_))));
    tape.wait(50_000);
    let before = tape.events.len();
    tape.mark_lazily(PAGES);
    for event in &mut tape.events[before..] {
        if let Body::Mark(m) = &mut event.body {
            (m.pfn, m.addr) = (m.pfn + 0x1000, m.addr.map(|a| a + (1 << 30)));
        }
    }
    let mut funnels = LazyTracker::default();
    tape.events.iter().for_each(|e| funnels.take(e));
    let of: Vec<(bool, u64)> = funnels.requests().map(|r| (r.event.is_some(), r.funnel.marked_pages)).collect();
    assert_eq!(of, [(false, PAGES), (true, PAGES)]);
}
