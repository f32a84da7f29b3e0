//! Maps page frames to the process and address where they were last seen, because some events only have the PFN.

use crate::event::Migrate;
use crate::model::bounded::two_generations::TwoGenerations;

/// Number of exited processes to remember.
const ENDED: usize = 1 << 16;

/// The most recently seen frames, up to a limit.
#[derive(Clone, Debug)]
pub(crate) struct FrameIndex {
    seen: TwoGenerations<u64, Seen>,
    /// When a process dropped its address space. Entries older than that are stale.
    ended: TwoGenerations<u32, u64>,
    /// Entries up to this time may belong to a process whose exit has been evicted.
    floor: u64,
    last_forgotten: u64,
    now: u64,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    pid: u32,
    addr: u64,
    at: u64,
}

impl FrameIndex {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            seen: TwoGenerations::new(limit),
            ended: TwoGenerations::new(ENDED),
            floor: 0,
            last_forgotten: 0,
            now: 0,
        }
    }

    /// Records that the frame is mapped at this address.
    pub(crate) fn locate(&mut self, pfn: u64, pid: u32, addr: u64) {
        self.now += 1;
        self.seen.insert(pfn, Seen { pid, addr, at: self.now });
    }

    /// Process and address of a frame, if the process still has the same address space.
    pub(crate) fn find(&self, pfn: u64) -> Option<(u32, u64)> {
        let seen = self.seen.get(&pfn)?;
        let ended = self.ended.get(&seen.pid).copied().unwrap_or(0).max(self.floor);
        (seen.at > ended).then_some((seen.pid, seen.addr))
    }

    /// Records that a folio migrated to another frame.
    pub(crate) fn follow(&mut self, migrate: &Migrate) {
        if let Some(pfn) = migrate.new_pfn
            && let Some(seen) = self.seen.remove(&migrate.old_pfn)
        {
            self.seen.insert(pfn, seen);
        }
    }

    /// Records that the process exited or executed another program.
    pub(crate) fn end(&mut self, pid: u32) {
        self.now += 1;
        if self.ended.insert(pid, self.now) {
            self.floor = self.last_forgotten;
            self.last_forgotten = self.now;
        }
    }

    /// Frames evicted to bound memory.
    pub(crate) const fn evicted(&self) -> u64 {
        self.seen.evicted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::Cause, testkit};

    #[test]
    fn a_frame_is_where_it_was_seen_last_until_its_process_ends() {
        let mut frames = FrameIndex::new(64);
        let moved = testkit::moved(0, Cause::Compaction);
        frames.locate(moved.old_pfn, 1, 0x1000);
        frames.follow(&moved);
        assert_eq!(frames.find(moved.old_pfn), None);
        let new_pfn = moved.new_pfn.expect("it moved");
        assert_eq!(frames.find(new_pfn), Some((1, 0x1000)));
        frames.end(1);
        assert_eq!(frames.find(new_pfn), None);
        frames.locate(new_pfn, 1, 0x2000);
        assert_eq!(frames.find(new_pfn), Some((1, 0x2000)), "the number is another process's now");
    }

    #[test]
    fn a_forgotten_end_does_not_bring_a_process_back() {
        let mut frames = FrameIndex::new(64);
        frames.locate(7, 1, 0x1000);
        (1..=3 * ENDED as u32).for_each(|pid| frames.end(pid));
        assert_eq!(frames.find(7), None);
    }
}
