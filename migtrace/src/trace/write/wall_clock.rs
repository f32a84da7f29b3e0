//! The wall clock during a recording: by how much it was set, and when.

use crate::{clock, recording::WallStep};

/// A smaller change of the wall clock is not reported: NTP slews it by up to 1.8 s in an hour.
const LEAST_CHANGE_NS: u64 = 2_000_000_000;
/// A smaller difference between two readings, which are a quarter of a second apart, can be slewing: chrony slews by at most
/// a tenth.
const LEAST_STEP_NS: u64 = 200_000_000;
/// The clocks are read one after the other, at most this far apart on an idle CPU.
const READING_NS: u64 = 1_000_000;
/// Maximum number of steps. Later ones replace the last.
const STEPS: usize = 1024;

/// Follows the wall clock in one file of a recording. Offsets are CLOCK_REALTIME minus CLOCK_BOOTTIME, ns.
#[derive(Debug)]
pub(super) struct WallClock {
    /// When the file began.
    begun_ns: i64,
    /// At the last reading.
    last_ns: i64,
    /// When the clock was set, and the offset since then minus that when the file began.
    steps: Vec<(u64, i64)>,
}

impl WallClock {
    pub(super) fn start() -> Self {
        Self::at(clock::wall_offset_ns())
    }

    fn at(offset_ns: i64) -> Self {
        Self { begun_ns: offset_ns, last_ns: offset_ns, steps: Vec::new() }
    }

    /// Reads the clock; returns whether it was set since the last reading. Call it about four times a second.
    pub(super) fn tick(&mut self) -> bool {
        self.read(clock::boot_ns(), clock::wall_offset_ns())
    }

    fn read(&mut self, now_ns: u64, offset_ns: i64) -> bool {
        let is_step = offset_ns.abs_diff(self.last_ns) >= LEAST_STEP_NS;
        self.last_ns = offset_ns;
        if is_step {
            self.steps.truncate(STEPS - 1);
            self.steps.push((now_ns, offset_ns.saturating_sub(self.begun_ns)));
        }
        is_step
    }

    /// The steps in a file that began with the offset `wall_offset_ns`.
    pub(super) fn steps(&self, wall_offset_ns: i64) -> Vec<WallStep> {
        let step = |(ts_ns, by_ns): &(u64, i64)| WallStep {
            ts_ns: *ts_ns,
            wall_offset_ns: wall_offset_ns.saturating_add(*by_ns),
        };
        self.steps.iter().map(step).collect()
    }

    /// By how much the clock was set since the file began; `None`: by less than is reported.
    pub(super) fn change_ns(&self) -> Option<i64> {
        let change_ns = clock::wall_offset_ns().saturating_sub(self.begun_ns);
        (change_ns.unsigned_abs() >= LEAST_CHANGE_NS).then_some(change_ns)
    }

    /// Begins the next file; returns by how much its offset differs.
    pub(super) fn next_file(&mut self) -> i64 {
        let ended = std::mem::replace(self, Self::start());
        let change_ns = self.begun_ns.saturating_sub(ended.begun_ns);
        // A smaller change is how far apart the two clocks are read.
        if change_ns.unsigned_abs() >= READING_NS { change_ns } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn a_clock_that_is_set_has_a_step_and_one_that_is_slewed_has_none() {
        let mut clock = WallClock::at(100);
        assert!(!clock.read(1, 100 + SECOND / 10) && !clock.read(2, 100 + SECOND / 5), "slewed");
        assert!(clock.read(3, 5 * SECOND) && !clock.read(4, 5 * SECOND));
        assert!(clock.read(5, -SECOND));
        let step = |ts_ns, wall_offset_ns| WallStep { ts_ns, wall_offset_ns };
        // Relative to the offset in the metadata, which was read at another moment.
        assert_eq!(clock.steps(107), [step(3, 5 * SECOND + 7), step(5, 7 - SECOND)]);
    }

    #[test]
    fn steps_are_bounded_and_the_last_is_kept() {
        let mut clock = WallClock::at(0);
        for n in 1..=2 * STEPS as i64 {
            assert!(clock.read(n as u64, n * SECOND));
        }
        let steps = clock.steps(0);
        assert_eq!((steps.len(), steps[STEPS - 1].ts_ns, steps[0].ts_ns), (STEPS, 2 * STEPS as u64, 1));
    }
}
