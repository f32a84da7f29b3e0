//! Numbers as people write them: `42`, `0x7f00`, `10us`, `1.5ms`, `64k`.

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nothing was said.
    None,
    /// ns.
    Time,
    /// Bytes.
    Size,
}

/// A number, in ns or bytes where it had a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity {
    pub value: u64,
    pub unit: Unit,
}

/// The units, and what they are in ns or bytes.
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

/// Reads a number.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &str) -> Result<Quantity, String> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let value =
            u64::from_str_radix(digits, 16).map_err(|_| format!("{text} is no hexadecimal number of 64 bits"))?;
        return Ok(Quantity { value, unit: Unit::None });
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let bad = || format!("{text} is no number: numbers are like 42, 0x7f00, 10us or 64k");
    if whole.is_empty() || number.ends_with('.') || fraction.contains('.') {
        return Err(bad());
    }
    let too_large = || format!("{text} is too large for 64 bits");
    let whole: u64 = whole.parse().map_err(|_| too_large())?;
    if unit.is_empty() {
        let whole = if fraction.is_empty() { Ok(whole) } else { Err(format!("{text} is no whole number")) };
        return whole.map(|value| Quantity { value, unit: Unit::None });
    }
    let lower = unit.to_lowercase();
    let Some(&(_, unit, factor)) = UNITS.iter().find(|(name, ..)| *name == lower) else {
        return Err(format!("{unit} is no unit: there are ns, us, ms, s for times and k, m, g for sizes"));
    };
    let mut value = whole.checked_mul(factor).ok_or_else(too_large)?;
    let mut place = factor;
    for digit in fraction.bytes() {
        if place % 10 != 0 && digit != b'0' && unit == Unit::Time {
            return Err(format!("{text} is no whole number of ns"));
        }
        place /= 10;
        value = value.checked_add(place * u64::from(digit - b'0')).ok_or_else(too_large)?;
    }
    Ok(Quantity { value, unit })
}

/// A duration such as `10us`, in ns.
///
/// # Errors
/// What is wrong with it.
pub fn duration_ns(text: &str) -> Result<u64, String> {
    match parse(text)? {
        Quantity { value, unit: Unit::Time } => Ok(value),
        Quantity { value: 0, unit: Unit::None } => Ok(0),
        _ => Err(format!("{text} is no duration: write 10us, 2ms or 1s")),
    }
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
        ok("2M", 2 << 20, Unit::Size);
        ok("1GiB", 1 << 30, Unit::Size);
    }

    #[test]
    fn what_is_no_number_is_an_error() {
        for text in
            ["", "1.", ".5", "1.5", "10parsecs", "0xfg", "0x", "0.5ns", "1.2345us", "20000000000s", "1.2.3s", "1_000"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(duration_ns("10us"), Ok(10_000));
        assert_eq!(duration_ns("0"), Ok(0));
        assert!(duration_ns("10").is_err() && duration_ns("10k").is_err());
    }
}
