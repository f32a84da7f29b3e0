//! Units: the size of a page, and numbers with units as options and filters accept them: `42`, `0x7f00`, `10us`, `64k`.

use std::time::Duration;

/// Bytes of a base page. x86-64 is the only architecture so far.
pub const PAGE_BYTES: u64 = 4096;

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// No unit was given.
    None,
    /// ns.
    Time,
    /// Bytes.
    Size,
}

/// A number; in ns or bytes if it had a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity {
    pub value: u64,
    pub unit: Unit,
}

/// The units by name, each in ns or bytes. Of names for the same unit, the first is the one to print.
const UNITS: &[(&str, Unit, u64)] = &[
    ("ns", Unit::Time, 1),
    ("us", Unit::Time, 1_000),
    ("µs", Unit::Time, 1_000),
    ("ms", Unit::Time, 1_000_000),
    ("s", Unit::Time, 1_000_000_000),
    ("b", Unit::Size, 1),
    ("k", Unit::Size, 1 << 10),
    ("kib", Unit::Size, 1 << 10),
    ("m", Unit::Size, 1 << 20),
    ("mib", Unit::Size, 1 << 20),
    ("g", Unit::Size, 1 << 30),
    ("gib", Unit::Size, 1 << 30),
];

/// Digits of a fraction that count: more of them are less than a nanosecond or a byte.
const FRACTION_DIGITS: usize = 18;

/// Reads a number. A fraction of a byte is cut off.
///
/// # Errors
/// The text is not a number, its unit is unknown, or it does not fit into 64 bits.
pub fn parse(text: &str) -> Result<Quantity, String> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let value = u64::from_str_radix(digits, 16)
            .map_err(|_| format!("{text} is not a hexadecimal number of at most 64 bits"))?;
        return Ok(Quantity { value, unit: Unit::None });
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let bad = || format!("{text} is not a number: write 42, 0x7f00, 10us or 64k");
    if whole.is_empty() || number.ends_with('.') || fraction.contains('.') {
        return Err(bad());
    }
    let too_large = || format!("{text} is too large for 64 bits");
    let whole: u64 = whole.parse().map_err(|_| too_large())?;
    if unit.is_empty() {
        let whole = if fraction.is_empty() { Ok(whole) } else { Err(format!("{text} is not a whole number")) };
        return whole.map(|value| Quantity { value, unit: Unit::None });
    }
    let lower = unit.to_lowercase();
    let Some(&(_, unit, factor)) = UNITS.iter().find(|(name, ..)| *name == lower) else {
        return Err(format!("unknown unit {unit}: use ns, us, ms, s for times, k, m, g for sizes"));
    };
    let fraction = fraction.trim_end_matches('0');
    let digits = &fraction[..fraction.len().min(FRACTION_DIGITS)];
    let scale = 10_u128.pow(digits.len() as u32);
    let part = digits.parse::<u128>().unwrap_or(0) * u128::from(factor);
    if unit == Unit::Time && (digits.len() < fraction.len() || part % scale != 0) {
        return Err(format!("{text} is not a whole number of ns"));
    }
    let value = whole.checked_mul(factor).and_then(|w| w.checked_add((part / scale) as u64)).ok_or_else(too_large)?;
    Ok(Quantity { value, unit })
}

/// A duration such as `10us`, in ns.
///
/// # Errors
/// The text is not a number, or has no unit of time.
pub fn duration_ns(text: &str) -> Result<u64, String> {
    match parse(text)? {
        Quantity { value, unit: Unit::Time } => Ok(value),
        Quantity { value: 0, unit: Unit::None } => Ok(0),
        _ => Err(format!("{text} is not a duration: write 10us, 2ms or 1s")),
    }
}

/// A size such as `64k`, in bytes; without a unit, the number is of bytes.
///
/// # Errors
/// The text is not a number, or has a unit of time.
pub fn size_bytes(text: &str) -> Result<u64, String> {
    match parse(text)? {
        Quantity { value, unit: Unit::Size | Unit::None } => Ok(value),
        Quantity { unit: Unit::Time, .. } => Err(format!("{text} is not a size: write 64k, 8m or 1g")),
    }
}

/// `n` in the largest unit that it is a multiple of, as [`parse`] reads it.
#[must_use]
pub fn exact(n: i128, unit: Unit) -> String {
    let fits = |(name, of, factor): &&(&str, Unit, u64)| {
        *of == unit && *factor > 1 && name.len() <= 2 && n > 0 && n % i128::from(*factor) == 0
    };
    let largest = UNITS.iter().rev().filter(fits).max_by_key(|(.., factor)| factor);
    largest.map_or_else(|| n.to_string(), |(name, _, factor)| format!("{}{name}", n / i128::from(*factor)))
}

/// Reads a time: `30` or `0.5` are seconds; with a unit, `30s` or `2m`.
///
/// # Errors
/// The text is not a time, or it is 0.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let plain = text.parse::<f64>().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
    let time = plain.map_or_else(|| humantime::parse_duration(text).map_err(|e| e.to_string()), Ok)?;
    if time.is_zero() { Err("must be longer than 0".to_owned()) } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units() {
        let ok = |text, value, unit| assert_eq!(parse(text), Ok(Quantity { value, unit }), "{text}");
        ok("42", 42, Unit::None);
        ok("0x7f00", 0x7f00, Unit::None);
        ok("18446744073709551615", u64::MAX, Unit::None);
        ok("10us", 10_000, Unit::Time);
        ok("10µs", 10_000, Unit::Time);
        ok("1.5ms", 1_500_000, Unit::Time);
        ok("1.000001ms", 1_000_001, Unit::Time);
        ok("2s", 2_000_000_000, Unit::Time);
        ok("64k", 65536, Unit::Size);
        ok("1.5k", 1536, Unit::Size);
        ok("0.3333333333333333333333333333333333333333k", 341, Unit::Size);
        ok("2.50000000000000000000000000000000000000000us", 2500, Unit::Time);
        ok("2M", 2 << 20, Unit::Size);
        ok("1GiB", 1 << 30, Unit::Size);
    }

    #[test]
    fn other_texts_are_errors() {
        for text in
            ["", "1.", ".5", "1.5", "10parsecs", "0xfg", "0x", "0.5ns", "1.2345us", "20000000000s", "1.2.3s", "1_000"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(duration_ns("10us"), Ok(10_000));
        assert_eq!(duration_ns("0"), Ok(0));
        assert!(duration_ns("10").is_err() && duration_ns("10k").is_err());
    }

    #[test]
    fn sizes_have_a_unit_or_are_bytes() {
        assert_eq!(size_bytes("64k"), Ok(65_536));
        assert_eq!(size_bytes("64KiB"), Ok(65_536));
        assert_eq!(size_bytes("1.5m"), Ok(3 << 19));
        assert_eq!(size_bytes("3"), Ok(3));
        assert!(size_bytes("8x").is_err() && size_bytes("").is_err() && size_bytes("99999999999g").is_err());
        assert!(size_bytes("8ms").is_err());
    }

    #[test]
    fn a_number_prints_in_its_largest_unit_and_reads_as_the_same() {
        for (n, unit, text) in [
            (0, Unit::Time, "0"),
            (1_001, Unit::Time, "1001"),
            (10_000, Unit::Time, "10us"),
            (1_500_000, Unit::Time, "1500us"),
            (60_000_000_000, Unit::Time, "60s"),
            (64 << 10, Unit::Size, "64k"),
            (3 << 30, Unit::Size, "3g"),
            (7, Unit::None, "7"),
        ] {
            assert_eq!(exact(n, unit), text);
            assert_eq!(parse(text).map(|q| i128::from(q.value)), Ok(n), "{text}");
        }
    }

    #[test]
    fn times_are_seconds_or_have_a_unit() {
        assert_eq!(seconds("30"), Ok(Duration::from_secs(30)));
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(seconds("2m"), Ok(Duration::from_secs(120)));
        assert!(seconds("0").is_err() && seconds("-1").is_err() && seconds("soon").is_err());
    }
}
