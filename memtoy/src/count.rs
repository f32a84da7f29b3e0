//! Counts in messages.

/// Formats `1 page`, `8 pages`.
pub(crate) fn count(n: u64, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
