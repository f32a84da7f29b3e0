//! Masks what expressions have beyond CEL from its parser: numbers with units, and `has(column)`.
//!
//! CEL reads `10us` as two words, and reserves `has()` for fields of messages. So every number is replaced by a name of the
//! same length that no column has, and so is `has`. Places in the text stay the same.

use std::collections::HashMap;

use super::error::Mistake;
use crate::units::{self, Quantity};

/// What `has` becomes.
pub(super) const HAS: &str = "_as";

/// An expression that CEL's parser can read.
#[derive(Debug)]
pub(super) struct Masked {
    pub(super) text: String,
    /// The numbers by the place of their first character.
    pub(super) numbers: HashMap<usize, Quantity>,
}

/// Masks what is not CEL.
pub(super) fn mask(text: &str) -> Result<Masked, Mistake> {
    let (mut masked, mut numbers) = (String::with_capacity(text.len()), HashMap::new());
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = match first {
            '"' | '\'' => length_of_text(rest, is_raw(&text[..at])),
            c if c.is_ascii_digit() => length_of_number(rest),
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let token = &rest[..length];
        if first.is_ascii_digit() {
            let number = units::parse(token).map_err(|why| Mistake::new(at..at + length, why))?;
            numbers.insert(at, number);
            masked.extend(std::iter::repeat_n('_', length));
        } else if token == "has" {
            masked.push_str(HAS);
        } else {
            masked.push_str(token);
        }
        at += length;
    }
    Ok(Masked { text: masked, numbers })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Digits, letters of a unit, and decimal points before a digit.
fn length_of_number(text: &str) -> usize {
    let digit_follows = |at: usize| text[at + 1..].starts_with(|c: char| c.is_ascii_digit());
    let ends = |(at, c): &(usize, char)| !(is_word(*c) || *c == '.' && digit_follows(*at));
    text.char_indices().find(ends).map_or(text.len(), |(at, _)| at)
}

/// Whether the text after `before` is raw: its prefix has an `r`.
fn is_raw(before: &str) -> bool {
    let prefix = before.rsplit(|c| !is_word(c)).next().unwrap_or_default();
    prefix.len() <= 2 && prefix.contains(['r', 'R'])
}

/// The length of a text with its quotes, one or three at each end.
fn length_of_text(text: &str, raw: bool) -> usize {
    let quote = &text[..1];
    let triple = quote.repeat(3);
    let quote = if text.starts_with(&triple) { &*triple } else { quote };
    let mut at = quote.len();
    while let Some(c) = text[at..].chars().next() {
        if text[at..].starts_with(quote) {
            return at + quote.len();
        }
        at += c.len_utf8();
        if c == '\\' && !raw {
            at += text[at..].chars().next().map_or(0, char::len_utf8);
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Unit;

    #[test]
    fn numbers_and_has_are_hidden_but_not_in_texts() {
        let masked = mask(r#"latency_ns > 10us && cpu in [1,2] && comm == "10us has" && has(addr)"#).expect("masked");
        assert_eq!(masked.text, r#"latency_ns > ____ && cpu in [_,_] && comm == "10us has" && _as(addr)"#);
        assert_eq!(masked.numbers[&13], Quantity { value: 10_000, unit: Unit::Time });
        assert_eq!(masked.numbers.len(), 3);
        let masked = mask(r#"comm == 'it\'s 5' || text == r"\" && cpu < 1.5s"#).expect("masked");
        assert_eq!(masked.text, r#"comm == 'it\'s 5' || text == r"\" && cpu < ____"#);
        assert_eq!(mask("text == '''5 ' 6''' && a1 == é2").expect("masked").numbers.len(), 0);
        assert_eq!(mask("cpu == 10parsecs").expect_err("no unit").span, 7..16);
        assert_eq!(mask("comm == \"open 5").expect("CEL's to refuse").numbers.len(), 0);
        assert_eq!(mask("comm == 'x\\").expect("CEL's to refuse").text, "comm == 'x\\");
    }
}
