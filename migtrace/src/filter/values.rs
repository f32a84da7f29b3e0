//! Checks values against columns: their type, their unit, and the words that the column can hold.

use std::ops::{Range, RangeInclusive};

use super::{
    error::{Checked, Mistake},
    field::{Field, Words},
    predicate::{Predicate, TextTest},
    ranges::Ranges,
    syntax::{Node, Part},
};
use crate::{
    event::KindSet,
    units::{Quantity, Unit},
};

/// Maximum length of a task's name as the kernel stores it, in bytes.
const COMM_BYTES: usize = 15;

/// The mistake for a value of the wrong type.
pub(super) fn wrong_type(field: Field, wanted: &str, value: &Node) -> Mistake {
    Mistake::new(value.span.clone(), format!("{} is {wanted}, and this is not", field.name()))
}

/// A number for a column.
pub(super) fn number(field: Field, unit: Unit, node: &Node) -> Checked<i128> {
    let (quantity, sign) = match &node.part {
        Part::Number(quantity) => (quantity, 1),
        Part::Minus(quantity) => (quantity, -1),
        _ => return Err(wrong_type(field, "a number", node)),
    };
    let Quantity { value, unit: given } = *quantity;
    if given != Unit::None && given != unit {
        let counts = match unit {
            Unit::Time => "is a time",
            Unit::Size => "is a size in bytes",
            Unit::None => "has no unit",
        };
        return Err(Mistake::new(node.span.clone(), format!("{} {counts}", field.name())));
    }
    Ok(sign * i128::from(value))
}

/// A test whether the number in a column is within `within`.
pub(super) fn numbers(
    field: Field,
    domain: &RangeInclusive<i128>,
    within: Ranges,
    span: &Range<usize>,
) -> Checked<Predicate> {
    let within = within.and(&Ranges::new([domain.clone()]));
    if within.is_empty() {
        let what = format!("{} is from {} to {}, so this never matches", field.name(), domain.start(), domain.end());
        return Err(Mistake::new(span.clone(), what));
    }
    Ok(Predicate::Number { field, within })
}

/// A text for a column: in quotes, or one of the column's words without quotes.
pub(super) fn text_of(field: Field, words: Words, node: &Node) -> Checked<String> {
    let text = match &node.part {
        Part::Text(text) => text,
        Part::Name(word) if words.listed().contains(&&**word) => word,
        Part::Name(word) if !matches!(words, Words::Only(_)) => {
            let what = format!("unknown word or column {}", word.escape_default());
            let help = format!("put other texts in quotes: {} == \"{}\"", field.name(), word.escape_default());
            return Err(Mistake::new(node.span.clone(), what).help(help));
        }
        Part::Name(word) => word,
        _ => return Err(wrong_type(field, "a text", node)),
    };
    if let Words::Only(listed) = words
        && !listed.contains(&&**text)
    {
        let what = format!("{} is never {}", field.name(), text.escape_default());
        return Err(Mistake::new(node.span.clone(), what).suggest(text, listed.iter().copied()));
    }
    if field == Field::named("comm") && text.len() > COMM_BYTES {
        let cut: String =
            text.char_indices().take_while(|(i, c)| i + c.len_utf8() <= COMM_BYTES).map(|(_, c)| c).collect();
        let what = format!("the kernel stores only {COMM_BYTES} bytes of a task's name");
        return Err(Mistake::new(node.span.clone(), what).help(format!("write \"{}\"", cut.escape_default())));
    }
    Ok(text.clone())
}

/// A test whether a text column is one of `texts`, or none of them.
pub(super) fn one_of(field: Field, texts: Vec<String>, holds: bool, node: &Node) -> Checked<Predicate> {
    if field == Field::kind() {
        let kinds = texts.iter().map(|t| t.parse()).collect::<Result<KindSet, _>>();
        let kinds = kinds.map_err(|_| wrong_type(field, "a kind of event", node))?;
        return Ok(Predicate::Kind(if holds { kinds } else { kinds.complement() }));
    }
    Ok(Predicate::Text { field, test: TextTest::OneOf(texts), holds })
}
