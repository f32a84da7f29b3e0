//! Sorts records of several rings by time.
//!
//! Records enter a ring in the order in which their space was reserved, shortly after their time was read. Rings are
//! drained one after the other. Release rule: a record is released when all records reserved up to [`WINDOW_NS`] after
//! its time have been taken from every ring. A record that took longer from clock to ring comes out late, and is
//! counted.
//!
//! Records wait as bytes and are decoded on release, so little data is sorted.

use std::collections::VecDeque;

/// How long a record waits for earlier ones, ns. A program takes some microseconds from reading the clock to reserving
/// space. An interrupt, another thread, or a descheduled virtual CPU makes it milliseconds.
pub const WINDOW_NS: u64 = 50_000_000;

/// Approximate size of a chunk, bytes.
const CHUNK_BYTES: usize = 1 << 20;

/// Records that wait for release.
#[derive(Default)]
pub struct Reorder {
    /// Bytes of the records. The first chunk has the number `first_chunk`.
    chunks: VecDeque<Chunk>,
    first_chunk: u32,
    /// Released records, then sorted ones, then those added since the last release.
    waiting: Vec<Waiting>,
    left: usize,
    in_order: usize,
    spare: Vec<Vec<u8>>,
    released_ns: u64,
    late: u64,
}

#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    /// Records in it that are not released.
    left: u32,
}

/// Position and time of a record.
#[derive(Clone, Copy)]
struct Waiting {
    ts_ns: u64,
    chunk: u32,
    offset: u32,
    len: u32,
}

/// Limit of chunks kept for reuse.
const SPARE_CHUNKS: usize = 8;

impl Reorder {
    /// Adds a record, which starts with its time.
    pub fn push(&mut self, record: &[u8]) {
        // A record too short for a time is released at once, and counted as undecodable.
        let ts_ns = record.first_chunk::<8>().map_or(0, |bytes| u64::from_ne_bytes(*bytes));
        if self.chunks.back().is_none_or(|chunk| chunk.bytes.len() >= CHUNK_BYTES) {
            let bytes = self.spare.pop().unwrap_or_default();
            self.chunks.push_back(Chunk { bytes, left: 0 });
        }
        let number = self.first_chunk.wrapping_add(self.chunks.len() as u32 - 1);
        let chunk = self.chunks.back_mut().expect("there is one now");
        let offset = chunk.bytes.len() as u32;
        chunk.bytes.extend_from_slice(record);
        chunk.left += 1;
        self.waiting.push(Waiting { ts_ns, chunk: number, offset, len: record.len() as u32 });
    }

    /// Sorts waiting records by time, and equal times by arrival.
    fn sort(&mut self) {
        // A stable sort, fast on a few sorted runs, one from each ring.
        self.waiting[self.in_order..].sort_by_key(|waiting| waiting.ts_ns);
        let overlaps = self.in_order > self.left
            && self.waiting.get(self.in_order).is_some_and(|first| first.ts_ns < self.waiting[self.in_order - 1].ts_ns);
        if overlaps {
            self.waiting[self.left..].sort_by_key(|waiting| waiting.ts_ns);
        }
        self.in_order = self.waiting.len();
    }

    /// Records that came out of order.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Releases records up to `until_ns`, which is [`WINDOW_NS`] before the time up to which all reserved records are in.
    pub fn release_until(&mut self, until_ns: u64, mut out: impl FnMut(&[u8])) {
        self.sort();
        let waiting = &self.waiting[self.left..];
        let leaving = waiting.partition_point(|waiting| waiting.ts_ns <= until_ns);
        for waiting in &waiting[..leaving] {
            if waiting.ts_ns < self.released_ns {
                self.late += 1;
            }
            self.released_ns = self.released_ns.max(waiting.ts_ns);
            let chunk = &mut self.chunks[waiting.chunk.wrapping_sub(self.first_chunk) as usize];
            chunk.left -= 1;
            out(&chunk.bytes[waiting.offset as usize..][..waiting.len as usize]);
        }
        self.left += leaving;
        // The rest is seldom moved to the front: it is ten times as many as are released at once.
        if self.left * 2 >= self.waiting.len() {
            self.waiting.drain(..self.left);
            self.in_order -= self.left;
            self.left = 0;
        }
        while self.chunks.front().is_some_and(|chunk| chunk.left == 0) {
            let chunk = self.chunks.pop_front().expect("there is one");
            self.first_chunk = self.first_chunk.wrapping_add(1);
            if self.spare.len() < SPARE_CHUNKS {
                let mut bytes = chunk.bytes;
                bytes.clear();
                self.spare.push(bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ts_ns: u64) -> Vec<u8> {
        let mut record = ts_ns.to_ne_bytes().to_vec();
        record.extend_from_slice(b"the rest");
        record
    }

    fn time(record: &[u8]) -> u64 {
        u64::from_ne_bytes(*record.first_chunk().expect("a time"))
    }

    #[test]
    fn neighbours_are_put_in_order_and_late_ones_counted() {
        let (mut reorder, mut out) = (Reorder::default(), Vec::new());
        for ts in [WINDOW_NS + 20, WINDOW_NS + 10, 3 * WINDOW_NS] {
            reorder.push(&at(ts));
        }
        reorder.release_until(WINDOW_NS + 15, |record| out.push(time(record)));
        assert_eq!(out, [WINDOW_NS + 10]);
        reorder.push(&at(5));
        reorder.release_until(u64::MAX, |record| out.push(time(record)));
        assert_eq!(out, [WINDOW_NS + 10, 5, WINDOW_NS + 20, 3 * WINDOW_NS]);
        assert_eq!(reorder.late(), 1);
    }

    #[test]
    fn chunks_are_freed_when_their_last_record_has_left() {
        let mut reorder = Reorder::default();
        let mut left = 0;
        // Two rings with alternating times, over many chunks.
        for round in 0..200u64 {
            for ring in 0..2 {
                for step in 0..1000 {
                    reorder.push(&at((round * 1000 + step) * 1000 + ring));
                }
            }
            let mut last = 0;
            reorder.release_until((round * 1_000_000).saturating_sub(WINDOW_NS), |record| {
                assert!(time(record) >= last);
                last = time(record);
                left += 1;
            });
        }
        assert!(reorder.chunks.len() <= 4, "{} chunks", reorder.chunks.len());
        reorder.release_until(u64::MAX, |_| left += 1);
        assert_eq!((left, reorder.late(), reorder.chunks.len()), (400_000, 0, 0));
    }

    proptest::proptest! {
        #[test]
        fn records_leave_as_if_all_that_wait_were_sorted_each_time(
            steps in proptest::collection::vec((0..40_u64, proptest::option::of(0..40_u64)), 0..300),
        ) {
            let (mut reorder, mut out) = (Reorder::default(), Vec::new());
            let (mut waiting, mut expected) = (Vec::<Vec<u8>>::new(), Vec::new());
            for (number, (ts_ns, until_ns)) in steps.into_iter().enumerate() {
                let record = [ts_ns.to_ne_bytes(), number.to_ne_bytes()].concat();
                reorder.push(&record);
                waiting.push(record);
                if let Some(until_ns) = until_ns {
                    reorder.release_until(until_ns, |record| out.push(record.to_vec()));
                    waiting.sort_by_key(|record| time(record));
                    expected.extend(waiting.extract_if(.., |record| time(record) <= until_ns));
                }
            }
            proptest::prop_assert_eq!(out, expected);
        }
    }

    #[test]
    fn a_record_without_a_time_leaves_at_once() {
        let (mut reorder, mut out) = (Reorder::default(), 0);
        reorder.push(b"short");
        reorder.release_until(0, |record| out += record.len());
        assert_eq!(out, 5);
    }
}
