//! The books of one process: on which node each page is, by a census and the changes after it.
//!
//! One entry for each kind of change. What is known of events, and which process they are about, is in books.rs.

use std::{collections::BTreeMap, ops::Range};

use rangemap::{RangeMap, RangeSet};

use crate::event::PagePlace;

/// Where pages are. A page without an entry is not present.
#[derive(Clone, Debug, Default)]
pub struct Places {
    now: RangeMap<u64, PagePlace>,
    /// Where pages were at some moment while the process was read: the reading may have seen either.
    during: BTreeMap<Option<PagePlace>, RangeSet<u64>>,
    /// Whether the process is being read.
    is_read: bool,
}

/// One change of the places of pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// All pages of a range are on this node from now on, or in another place.
    Set(Range<u64>, PagePlace),
    /// No page of a range is present any more.
    Clear(Range<u64>),
    /// The pages of a range that were on one node are on another.
    Migrate { range: Range<u64>, from: i32, to: i32 },
    /// The pages of a range are at another address from now on, as after mremap(2).
    Remap { range: Range<u64>, to: u64 },
}

impl Change {
    /// Where the pages of a range are afterwards.
    #[must_use]
    pub fn outcome(&self) -> (Range<u64>, Option<PagePlace>) {
        match self {
            Self::Set(range, place) => (range.clone(), Some(*place)),
            Self::Clear(range) | Self::Remap { range, .. } => (range.clone(), None),
            Self::Migrate { range, to, .. } => (range.clone(), Some(PagePlace::Node(*to))),
        }
    }
}

/// What a page was expected to be, and pages of which that holds.
type Piece = (Range<u64>, Option<PagePlace>);

impl Places {
    /// Ranges that are kept.
    #[must_use]
    pub fn ranges(&self) -> usize {
        self.now.len() + self.during.values().map(RangeSet::len).sum::<usize>()
    }

    /// From now on, until the next census, changes may or may not be in that.
    pub(super) fn begin_reading(&mut self) {
        self.is_read = true;
    }

    /// The census is complete.
    pub(super) fn end_reading(&mut self) {
        self.is_read = false;
        self.during.clear();
    }

    /// Applies a change.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Set(range, place) => self.set(range, place),
            Change::Clear(range) => self.clear(range),
            Change::Migrate { range, from, to } => self.migrate(&range, from, to),
            Change::Remap { range, to } => self.remap(range, to),
        }
    }

    pub(super) fn set(&mut self, range: Range<u64>, place: PagePlace) {
        if range.is_empty() {
            return;
        }
        self.keep(&range);
        self.now.insert(range, place);
    }

    pub(super) fn clear(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        self.keep(&range);
        self.now.remove(range);
    }

    /// Pages on further nodes were not of that folio. A page that was being migrated when it was read has no node.
    fn migrate(&mut self, range: &Range<u64>, from: i32, to: i32) {
        let is_of_it = |place| match place {
            Some(PagePlace::Node(nid)) => nid == from,
            Some(PagePlace::Special | PagePlace::UnknownNode) => true,
            Some(PagePlace::Zero | PagePlace::Swap) | None => false,
        };
        let moved: Vec<_> = self.pieces(range).into_iter().filter(|(_, place)| is_of_it(*place)).collect();
        moved.into_iter().for_each(|(range, _)| self.set(range, PagePlace::Node(to)));
    }

    /// A page that is not at the old address may be at the new one already, if a census saw it there. What else was at the new
    /// address was unmapped before, by an event of its own.
    fn remap(&mut self, from: Range<u64>, to: u64) {
        let (moved, start) = (self.pieces(&from), from.start);
        self.clear(from);
        for (range, place) in moved {
            if let Some(place) = place {
                self.set(to + (range.start - start)..to.saturating_add(range.end - start), place);
            }
        }
    }

    /// The parts of a range, in order, each with its place.
    #[must_use]
    pub fn pieces(&self, range: &Range<u64>) -> Vec<Piece> {
        let clip = |part: &Range<u64>| part.start.max(range.start)..part.end.min(range.end);
        let present = self.now.overlapping(range.clone()).map(|(part, place)| (clip(part), Some(*place)));
        let mut pieces: Vec<Piece> = present.chain(self.now.gaps(range).map(|gap| (gap, None))).collect();
        pieces.sort_by_key(|(part, _)| part.start);
        pieces
    }

    /// All ranges with a place.
    pub fn iter(&self) -> impl Iterator<Item = (&Range<u64>, PagePlace)> {
        self.now.iter().map(|(range, place)| (range, *place))
    }

    /// The parts of a range whose pages were in no moment of the reading in this place.
    #[must_use]
    pub(super) fn never(&self, range: &Range<u64>, place: Option<PagePlace>) -> Vec<Range<u64>> {
        self.during.get(&place).map_or_else(|| vec![range.clone()], |set| set.gaps(range).collect())
    }

    /// Remembers where pages are before they change, while the process is read.
    fn keep(&mut self, range: &Range<u64>) {
        if !self.is_read {
            return;
        }
        for (part, place) in self.pieces(range) {
            self.during.entry(place).or_default().insert(part);
        }
    }
}
