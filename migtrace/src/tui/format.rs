//! Numbers as they fit into columns.

pub use crate::text::quantity::{bytes, percent, rate, short as number, short_count as count};

/// A time since the start: `9.92 ms`, from ten seconds on `00:12.3`, from an hour on `1:02:03`.
#[must_use]
pub fn clock(ns: u64) -> String {
    if ns < 10_000_000_000 {
        return crate::text::duration(ns);
    }
    let seconds = ns / 1_000_000_000;
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if h > 0 { format!("{h}:{m:02}:{s:02}") } else { format!("{m:02}:{s:02}.{}", ns / 100_000_000 % 10) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        assert_eq!([clock(9_920_000), clock(12_345_000_000)], ["9.92 ms", "00:12.3"]);
        assert_eq!(clock(3_723_000_000_000), "1:02:03");
    }
}
