//! Pseudo-random numbers (SplitMix64), the same in every run. A new version of a library could change what a bench
//! measures, so this crate uses none.

pub(super) struct Random(u64);

impl Random {
    pub(super) fn new() -> Self {
        Self(0x6d69_6774_7261_6365)
    }

    /// Returns a number below `end`, which must not be 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // The product's upper half is uniform enough for any `end` in use.
        ((u128::from(z ^ (z >> 31)) * u128::from(end)) >> 64) as u64
    }
}
