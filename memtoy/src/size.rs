//! Sizes and ranges in scripts.

use std::fmt;

/// Returns the bytes of a page on this machine.
///
/// # Panics
/// Never: every Linux supports `_SC_PAGESIZE` of sysconf(3).
pub(crate) fn page_size() -> usize {
    // SAFETY: sysconf only reads its argument.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).expect("a page has a size")
}

/// A number of bytes, and its text in the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    pub bytes: usize,
    text: String,
}

impl Size {
    /// Parses `8p`, `0x2000`, `1m`: a decimal, `0x` hexadecimal or `0` octal number, optionally followed by k, m, g or
    /// p (pages).
    ///
    /// # Errors
    /// A message about an invalid size.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (digits, unit) = match text.char_indices().next_back() {
            // Hexadecimal numbers are unambiguous: no letter from a to f is a unit.
            Some((at, 'k' | 'K')) => (&text[..at], 1 << 10),
            Some((at, 'm' | 'M')) => (&text[..at], 1 << 20),
            Some((at, 'g' | 'G')) => (&text[..at], 1 << 30),
            Some((at, 'p' | 'P')) => (&text[..at], page_size()),
            _ => (text, 1),
        };
        let number = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            usize::from_str_radix(hex, 16)
        } else if digits.len() > 1 && digits.starts_with('0') {
            usize::from_str_radix(&digits[1..], 8)
        } else {
            digits.parse()
        };
        let number =
            number.map_err(|_| format!("invalid size {text:?}: use a number, with k, m, g or p (pages) after it"))?;
        let bytes = number.checked_mul(unit).filter(|b| isize::try_from(*b).is_ok());
        let bytes = bytes.ok_or_else(|| format!("size {text} is too large (maximum {} bytes)", isize::MAX))?;
        Ok(Self { bytes, text: text.to_owned() })
    }

    /// Returns the number of pages, rounded up.
    pub(crate) fn pages_up(&self) -> usize {
        self.bytes.div_ceil(page_size())
    }

    /// Returns the number of pages, rounded down.
    pub(crate) fn pages_down(&self) -> usize {
        self.bytes / page_size()
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A part of a segment: starts at an offset, and extends for a length or to the segment's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    pub offset: Size,
    pub length: Option<Size>,
}

impl Extent {
    /// Returns its range of pages in a segment of `pages` pages, and whether the range was clipped. Rounds the offset
    /// down and the end up. `None` if it begins past the segment's end.
    pub(crate) fn pages(&self, pages: usize) -> Option<(std::ops::Range<usize>, bool)> {
        let first = self.offset.pages_down();
        let end = match &self.length {
            None => pages,
            Some(length) => self.offset.bytes.checked_add(length.bytes)?.div_ceil(page_size()),
        };
        (first < pages).then(|| (first..end.min(pages), end > pages))
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.length {
            None => write!(f, "{}", self.offset),
            Some(length) => write!(f, "{} {length}", self.offset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(text: &str) -> Size {
        Size::parse(text).expect(text)
    }

    #[test]
    fn sizes_have_bases_and_units() {
        let pages = [("8p", 8), ("0x10p", 16), ("010p", 8), ("0", 0), ("1P", 1)];
        for (text, expected) in pages {
            assert_eq!(size(text).pages_up(), expected, "{text}");
        }
        assert_eq!(
            [size("1k").bytes, size("2M").bytes, size("1g").bytes, size("7").bytes],
            [1 << 10, 2 << 20, 1 << 30, 7]
        );
        for bad in ["", "p", "8x", "-1", "1.5m", "0xg", "99999999999g", "9223372036854775808"] {
            assert!(Size::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn offsets_round_down_ends_round_up_and_ranges_are_clipped() {
        let extent = |offset: &str, length: Option<&str>| Extent { offset: size(offset), length: length.map(size) };
        let cases = [
            (extent("2p", Some("1p")), Some((2..3, false))),
            (extent("1", Some("1")), Some((0..1, false))),
            (extent("1", Some("1p")), Some((0..2, false))),
            (extent("6p", None), Some((6..8, false))),
            (extent("6p", Some("4p")), Some((6..8, true))),
            (extent("0", Some("0")), Some((0..0, false))),
            (extent("8p", Some("1p")), None),
        ];
        for (extent, expected) in cases {
            assert_eq!(extent.pages(8), expected, "{extent}");
        }
    }
}
