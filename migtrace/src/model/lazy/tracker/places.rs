//! Marked pages of ranges that are unmapped or moved: kind `place`, in recordings that have it.

use super::LazyTracker;
use crate::{
    event::{Event, Place, PlaceChange},
    model::lazy::fate::{Fate, Gone},
};

impl LazyTracker {
    /// A range was unmapped or moved, with the marked pages in it.
    pub(super) fn place(&mut self, event: &Event, place: &Place) {
        let Some(owner) = event.owner() else { return };
        let pid = owner.process.pid;
        let marks = |from: u64| self.marks.in_range(pid, &(from..from.saturating_add(place.len)));
        match (place.what, place.from_addr) {
            // Reclaim and marks unmap a page that is present and so has a node. A marked one is not present.
            (PlaceChange::Unmap, _) if place.src_nid.is_none() && !self.families.shares(pid) => {
                for n in marks(place.addr) {
                    if self.marks.get(n).is_some_and(|m| m.fate == Fate::Untouched) {
                        self.settle(n, &Fate::Gone(Gone::UnmappedRange));
                    }
                }
            }
            (PlaceChange::Remap, Some(from)) => {
                let marks = marks(from);
                self.marks.remap(&marks, from, place.addr);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{Body, Outcome, TaskEvent},
        model::lazy::funnel::Funnel,
        testkit::{PID, SEGMENT, Tape},
    };

    const PAGES: u64 = 8;

    fn marked() -> Tape {
        let mut tape = Tape::new();
        tape.start(PAGES);
        tape.mark_lazily(PAGES);
        // The kernel shows addresses of marks.
        let mut pages = 0..;
        for event in &mut tape.events {
            if let Body::Mark(mark) = &mut event.body
                && mark.result == Outcome::Ok
            {
                mark.addr = pages.next().map(|page| SEGMENT + page * 4096);
            }
        }
        tape
    }

    fn place(tape: &mut Tape, what: PlaceChange, page: u64, pages: u64, from_page: Option<u64>) {
        let at = |page| SEGMENT + page * 4096;
        let (len, from_addr) = (pages * 4096, from_page.map(at));
        tape.push(Body::Place(Box::new(Place { what, addr: at(page), len, from_addr, src_nid: None, dst_nid: None })));
    }

    fn funnel(tape: &Tape) -> Funnel {
        let mut tracker = LazyTracker::default();
        tape.events.iter().for_each(|event| tracker.take(event));
        assert!(tracker.all().holds(), "{:?}", tracker.all());
        tracker.all().clone()
    }

    /// Unmapped before any touch, gone in another way, untouched.
    fn counts(f: &Funnel) -> [u64; 3] {
        let unmapped = f.gone(Gone::UnmappedRange);
        [unmapped, f.gone_total_pages() - unmapped, f.untouched_pages]
    }

    #[test]
    fn marked_pages_of_an_unmapped_range_are_gone_before_any_touch() {
        let mut tape = marked();
        tape.touch_again(0..2);
        place(&mut tape, PlaceChange::Unmap, 1, 4, None);
        let f = funnel(&tape);
        assert_eq!((f.migrated_pages, counts(&f), f.never_touched_pages()), (2, [3, 0, 3], 6));
        tape.task(TaskEvent::Exit);
        assert_eq!(counts(&funnel(&tape)), [3, 3, 0]);
    }

    #[test]
    fn a_page_that_reclaim_unmaps_is_another_than_the_marked_one() {
        let mut tape = marked();
        place(&mut tape, PlaceChange::Unmap, 0, 1, None);
        if let Some(Body::Place(place)) = tape.events.last_mut().map(|event| &mut event.body) {
            place.src_nid = Some(1);
        }
        assert_eq!(counts(&funnel(&tape)), [0, 0, PAGES]);
    }

    #[test]
    fn mremap_takes_the_marked_pages_along_before_it_unmaps_their_old_range() {
        let mut tape = marked();
        place(&mut tape, PlaceChange::Remap, 100, 4, Some(4));
        place(&mut tape, PlaceChange::Unmap, 4, 4, None);
        assert_eq!(counts(&funnel(&tape)), [0, 0, PAGES]);
        place(&mut tape, PlaceChange::Unmap, 100, 3, None);
        assert_eq!(counts(&funnel(&tape)), [3, 0, 5]);
    }

    #[test]
    fn pages_that_a_child_still_has_are_not_gone() {
        let mut tape = marked();
        tape.task(TaskEvent::Fork);
        if let Some(Body::Task(task)) = tape.events.last_mut().map(|event| &mut event.body) {
            task.target_pid = Some(PID + 1);
        }
        place(&mut tape, PlaceChange::Unmap, 0, PAGES, None);
        assert_eq!(counts(&funnel(&tape)), [0, 0, PAGES]);
    }
}
