//! Numbers as they fit into columns.

/// `950`, `1.23k`, `45.6k`, `789k`, `1.23M`: three digits and a unit of a thousand.
#[must_use]
pub fn count(n: u64) -> String {
    number(n as f64)
}

/// As [`count`], of a computed number; below ten it has one digit behind the point.
#[must_use]
pub fn number(n: f64) -> String {
    const UNITS: [(f64, &str); 5] = [(1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    if n < 999.5 {
        let whole = n.fract() == 0.0 || n >= 9.95;
        return if whole { format!("{n:.0}") } else { format!("{n:.1}") };
    }
    let (scale, unit) = UNITS.into_iter().find(|(scale, _)| n >= scale * 0.9995).unwrap_or(UNITS[4]);
    let value = n / scale;
    let digits = if value >= 99.95 { 0 } else { usize::from(value < 9.995) + 1 };
    format!("{value:.digits$}{unit}")
}

/// `1.2M/s`.
#[must_use]
pub fn rate(n: f64) -> String {
    format!("{}/s", number(n))
}

/// A share of a hundred: `<1 %`, `7 %`.
#[must_use]
pub fn percent(p: f64) -> String {
    if p > 0.0 && p < 0.5 { "<1%".to_owned() } else { format!("{p:.0}%") }
}

/// Bytes: `64 KiB`, `1.5 GiB`.
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
    fn numbers_fit_into_five_columns() {
        let cases =
            [(0, "0"), (999, "999"), (1000, "1.00k"), (45_678, "45.7k"), (999_600, "1.00M"), (u64::MAX, "18447P")];
        for (n, text) in cases {
            assert_eq!(count(n), text);
        }
        assert_eq!([0.25, 9.5, 12.5].map(number), ["0.2", "9.5", "12"]);
    }

    #[test]
    fn sizes_and_times_are_short() {
        assert_eq!([0, 65_536, 1_610_612_736].map(bytes), ["0 B", "64 KiB", "1.5 GiB"]);
        assert_eq!([clock(9_920_000), clock(12_345_000_000)], ["9.92 ms", "00:12.3"]);
        assert_eq!(clock(3_723_000_000_000), "1:02:03");
        assert_eq!([0.0, 0.2, 7.4].map(percent), ["0%", "<1%", "7%"]);
    }
}
