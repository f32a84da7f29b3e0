//! Parquet's hybrid encoding of run lengths and packed bits, for dictionary keys and definition levels.

/// Maximum number of values packed at once: the most that fits a header of two bytes.
const MOST_PACKED: usize = 63 * 8;
/// Length from which on a run gets its own header: one group.
const RUN: u32 = 8;

/// Encodes numbers of `width` bits.
pub(crate) struct Hybrid<'a> {
    out: &'a mut Vec<u8>,
    width: u32,
    /// Values to be packed.
    waiting: Vec<u32>,
}

impl<'a> Hybrid<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>, width: u32) -> Self {
        Self { out, width, waiting: Vec::with_capacity(MOST_PACKED) }
    }

    /// Adds `value`, `count` times.
    pub(crate) fn put(&mut self, value: u32, mut count: u32) {
        // All groups have eight values, except the last one.
        let open = self.waiting.len() as u32 % 8;
        if open > 0 || count < RUN {
            let filling = count.min(8 - open);
            self.wait(value, filling);
            count -= filling;
        }
        if count >= RUN {
            self.pack();
            self.header(count << 1);
            let bytes = self.width.div_ceil(8) as usize;
            self.out.extend_from_slice(&value.to_le_bytes()[..bytes]);
        } else {
            self.wait(value, count);
        }
    }

    pub(crate) fn finish(mut self) {
        self.pack();
    }

    fn wait(&mut self, value: u32, count: u32) {
        self.waiting.extend(std::iter::repeat_n(value, count as usize));
        if self.waiting.len() == MOST_PACKED {
            self.pack();
        }
    }

    /// Packs the waiting values. An incomplete last group is filled with zeroes; readers know the number of values.
    fn pack(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let groups = self.waiting.len().div_ceil(8);
        self.waiting.resize(groups * 8, 0);
        self.header(((groups as u32) << 1) | 1);
        let (mut bits, mut held) = (0_u64, 0);
        for value in &self.waiting {
            bits |= u64::from(*value) << held;
            held += self.width;
            while held >= 8 {
                self.out.push(bits as u8);
                bits >>= 8;
                held -= 8;
            }
        }
        self.waiting.clear();
    }

    /// ULEB128.
    fn header(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }
}

/// Number of bits for numbers below `count`.
pub(crate) fn width_of(count: usize) -> u32 {
    usize::BITS - count.saturating_sub(1).leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(width: u32, runs: &[(u32, u32)]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut hybrid = Hybrid::new(&mut out, width);
        runs.iter().for_each(|(value, count)| hybrid.put(*value, *count));
        hybrid.finish();
        out
    }

    /// A decoder written from the format's description, independent of the encoder.
    fn decode(width: u32, mut bytes: &[u8], count: usize) -> Vec<u32> {
        let mut take = |n: usize| {
            let (head, rest) = bytes.split_at(n);
            bytes = rest;
            head.to_vec()
        };
        let mut out = Vec::new();
        while out.len() < count {
            let mut header = 0_u32;
            for shift in (0..).step_by(7) {
                let byte = take(1)[0];
                header |= u32::from(byte & 0x7f) << shift;
                if byte < 0x80 {
                    break;
                }
            }
            if header & 1 == 0 {
                let mut value = [0; 4];
                value[..width.div_ceil(8) as usize].copy_from_slice(&take(width.div_ceil(8) as usize));
                out.extend(std::iter::repeat_n(u32::from_le_bytes(value), header as usize >> 1));
            } else {
                let packed = take((header >> 1) as usize * width as usize);
                let bit = |at: usize| u32::from(packed[at / 8] >> (at % 8) & 1);
                let values = (header >> 1) as usize * 8;
                out.extend(
                    (0..values).map(|n| (0..width as usize).map(|b| bit(n * width as usize + b) << b).sum::<u32>()),
                );
            }
        }
        out.truncate(count);
        out
    }

    #[test]
    fn the_example_of_the_formats_description() {
        // 0 to 7 in three bits.
        let runs = (0..8).map(|n| (n, 1)).collect::<Vec<_>>();
        assert_eq!(encode(3, &runs), [0b11, 0b1000_1000, 0b1100_0110, 0b1111_1010]);
        assert_eq!(encode(1, &[(1, 1000)]), [0xd0, 0x0f, 1]);
        assert_eq!(encode(0, &[(0, 9)]), [18]);
    }

    #[test]
    fn values_are_read_back() {
        let mut state = 1_u32;
        let mut next = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        for width in [1, 2, 3, 7, 8, 9, 16, 18, 24] {
            for longest in [2, 9, 30, 2000] {
                let runs = (0..300).map(|_| (next(1 << width), 1 + next(longest))).collect::<Vec<_>>();
                let values = runs.iter().flat_map(|(v, n)| vec![*v; *n as usize]).collect::<Vec<_>>();
                assert_eq!(decode(width, &encode(width, &runs), values.len()), values, "{width} bits");
            }
        }
    }

    #[test]
    fn widths() {
        assert_eq!([0, 1, 2, 3, 4, 5, 256, 257].map(width_of), [0, 0, 1, 2, 2, 3, 8, 9]);
    }
}
