//! Counts, times and sizes with their units.

/// `n` of a thing: `1 page`, `8 pages`.
#[must_use]
pub fn count(n: u64, thing: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {thing}{plural}")
}

/// A time with three digits and its unit: `640 ns`, `41.2 µs`, `1.23 ms`, `250 s`.
#[must_use]
pub fn duration(ns: u64) -> String {
    duration_f64(ns as f64)
}

/// As [`duration`], of a computed number of ns.
#[must_use]
pub fn duration_f64(ns: f64) -> String {
    const UNITS: [(f64, &str); 3] = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")];
    if ns < 999.5 {
        return format!("{ns:.0} ns");
    }
    // Half a digit below the unit, so that 999.6 µs becomes 1.00 ms and not 1000 µs.
    let (scale, unit) = UNITS.into_iter().find(|(scale, _)| ns >= scale * 0.9995).unwrap_or(UNITS[2]);
    let value = ns / scale;
    let digits = digits(value);
    format!("{value:.digits$} {unit}")
}

/// ms from `zero_ns` to a time; negative before it, as for events recorded while the last probes were being attached.
#[must_use]
pub fn ms_since(ts_ns: u64, zero_ns: u64) -> f64 {
    if ts_ns < zero_ns { -((zero_ns - ts_ns) as f64 / 1e6) } else { (ts_ns - zero_ns) as f64 / 1e6 }
}

/// A number in at most five columns: `950`, `1.23k`, `45.6k`, `789k`, `1.23M`.
#[must_use]
pub fn short_count(n: u64) -> String {
    short(n as f64)
}

/// As [`short_count`], of a computed number; below ten with one digit after the point.
#[must_use]
pub fn short(n: f64) -> String {
    const UNITS: [(f64, &str); 5] = [(1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    if n < 999.5 {
        let whole = n.fract() == 0.0 || n >= 9.95;
        return if whole { format!("{n:.0}") } else { format!("{n:.1}") };
    }
    let (scale, unit) = UNITS.into_iter().find(|(scale, _)| n >= scale * 0.9995).unwrap_or(UNITS[4]);
    let value = n / scale;
    let digits = digits(value);
    format!("{value:.digits$}{unit}")
}

/// Digits after the point that make three in all.
fn digits(value: f64) -> usize {
    if value >= 99.95 { 0 } else { usize::from(value < 9.995) + 1 }
}

/// `1.2M/s`.
#[must_use]
pub fn rate(n: f64) -> String {
    format!("{}/s", short(n))
}

/// `<1%`, `7%`.
#[must_use]
pub fn percent(p: f64) -> String {
    if p > 0.0 && p < 0.5 { "<1%".to_owned() } else { format!("{p:.0}%") }
}

/// `64 KiB`, `1.5 GiB`.
#[must_use]
pub fn bytes(n: u64) -> String {
    const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let Some((unit, shift)) = UNITS.into_iter().find(|(_, shift)| n >> shift > 0) else { return format!("{n} B") };
    let value = n as f64 / (1_u64 << shift) as f64;
    if value < 9.95 && value.fract() != 0.0 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// A time since the start: `9.92 ms`, from ten seconds on `00:12.3`, from an hour on `1:02:03`.
#[must_use]
pub fn clock(ns: u64) -> String {
    if ns < 10_000_000_000 {
        return duration(ns);
    }
    let seconds = ns / 1_000_000_000;
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if h > 0 { format!("{h}:{m:02}:{s:02}") } else { format!("{m:02}:{s:02}.{}", ns / 100_000_000 % 10) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_before_the_start_is_negative() {
        assert_eq!(format!("{:.3}", ms_since(1_500_000, 1_000_000)), "0.500");
        assert_eq!(format!("{:.3}", ms_since(1_000_000, 3_000_000)), "-2.000");
        assert_eq!(format!("{:.3}", ms_since(7, 7)), "0.000");
    }

    #[test]
    fn durations_have_three_digits() {
        let cases = [
            (0, "0 ns"),
            (999, "999 ns"),
            (1000, "1.00 µs"),
            (41_234, "41.2 µs"),
            (68_000, "68.0 µs"),
            (123_456, "123 µs"),
            (999_600, "1.00 ms"),
            (12_345_678, "12.3 ms"),
            (2_500_000_000, "2.50 s"),
            (250_000_000_000, "250 s"),
        ];
        for (ns, text) in cases {
            assert_eq!(duration(ns), text);
        }
    }

    #[test]
    fn numbers_fit_into_five_columns() {
        let cases =
            [(0, "0"), (999, "999"), (1000, "1.00k"), (45_678, "45.7k"), (999_600, "1.00M"), (u64::MAX, "18447P")];
        for (n, text) in cases {
            assert_eq!(short_count(n), text);
        }
        assert_eq!([0.25, 9.5, 12.5].map(short), ["0.2", "9.5", "12"]);
    }

    #[test]
    fn sizes_and_shares_are_short() {
        assert_eq!([0, 65_536, 1_610_612_736].map(bytes), ["0 B", "64 KiB", "1.5 GiB"]);
        assert_eq!([0.0, 0.2, 7.4].map(percent), ["0%", "<1%", "7%"]);
    }

    #[test]
    fn a_time_since_the_start_is_short() {
        assert_eq!([clock(9_920_000), clock(12_345_000_000)], ["9.92 ms", "00:12.3"]);
        assert_eq!(clock(3_723_000_000_000), "1:02:03");
    }
}
