//! What was added to a total in the last full second, for rates.

use super::{counts::Counts, matrix::Matrix, rates::SECOND_NS};

/// A total that only grows.
pub trait Total: Clone + Default {
    /// The difference from an earlier state of the same total.
    #[must_use]
    fn since(&self, earlier: &Self) -> Self;
}

impl Total for Counts {
    fn since(&self, earlier: &Self) -> Self {
        Counts::since(*self, earlier)
    }
}

impl Total for Matrix {
    fn since(&self, earlier: &Self) -> Self {
        Matrix::since(self, earlier)
    }
}

/// A total at the start of this second, and what was added to it in the previous one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Second<T> {
    number: u64,
    at_begin: T,
    last: T,
}

impl<T: Total> Second<T> {
    /// Starts the second of this time, if it is a later one. Called before `total` grows.
    pub(super) fn roll(&mut self, total: &T, ts_ns: u64) {
        let number = ts_ns / SECOND_NS;
        if number > self.number {
            self.last = if number == self.number + 1 { total.since(&self.at_begin) } else { T::default() };
            self.at_begin = total.clone();
            self.number = number;
        }
    }

    /// What was added in the last full second before `now_ns`.
    #[must_use]
    pub(super) fn last(&self, total: &T, now_ns: u64) -> T {
        match (now_ns / SECOND_NS).saturating_sub(self.number) {
            0 => self.last.clone(),
            1 => total.since(&self.at_begin),
            _ => T::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_full_second_is_that_before_now() {
        let (mut moves, mut second) = (Matrix::default(), Second::default());
        for (ts_ns, pages) in [(10, 1), (10, 2), (11, 4)] {
            second.roll(&moves, ts_ns * SECOND_NS);
            moves.add(0, 5, pages);
        }
        let last = |now| second.last(&moves, now * SECOND_NS).get(0, 5);
        assert_eq!([11, 12, 13].map(last), [3, 4, 0]);
    }
}
