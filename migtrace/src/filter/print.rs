//! Prints predicates as expressions, for headers of views and for the metadata of traces.

use std::{fmt, ops::RangeInclusive};

use super::{
    field::{Field, Type},
    predicate::{Predicate, Relation, TextTest},
    ranges::Ranges,
};
use crate::units::{self, Unit};

/// As an expression that parses to the same predicate.
impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(parts) => joined(f, parts, true),
            Self::Any(parts) => joined(f, parts, false),
            Self::Has { field, has } => write!(f, "{} {} null", field.name(), if *has { "!=" } else { "==" }),
            Self::Kind(kinds) => {
                let names: Vec<&str> = kinds.iter().map(Into::into).collect();
                match &names[..] {
                    [name] => write!(f, "kind == {name}"),
                    _ => write!(f, "kind in [{}]", names.join(", ")),
                }
            }
            Self::Number { field, within } => write_number(f, *field, within),
            Self::Flag { field, is } => write!(f, "{}{}", if *is { "" } else { "!" }, field.name()),
            Self::Text { field, test, holds } => write_text(f, *field, test, *holds),
            Self::Pair { left, relation, right } => write!(f, "{} {relation} {}", left.name(), right.name()),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, parts: &[Predicate], all: bool) -> fmt::Result {
    if parts.is_empty() {
        return f.write_str(if all { "true" } else { "false" });
    }
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            f.write_str(if all { " && " } else { " || " })?;
        }
        let brackets = match part {
            Predicate::All(inner) | Predicate::Any(inner) => inner.len() > 1,
            Predicate::Number { field, within } => match &comparisons(*field, within)[..] {
                [one] => !all && one.is_two(),
                _ => all,
            },
            _ => false,
        };
        if brackets { write!(f, "({part})")? } else { write!(f, "{part}")? }
    }
    Ok(())
}

/// One range of numbers, as comparisons.
enum Comparison {
    One(String),
    /// With `&&` between them.
    Two(String),
}

impl Comparison {
    fn is_two(&self) -> bool {
        matches!(self, Self::Two(_))
    }
}

/// Sets up to this size are printed as lists.
const LISTED: usize = 8;

/// A set of numbers as comparisons, combined by OR.
fn comparisons(field: Field, within: &Ranges) -> Vec<Comparison> {
    let Type::Number { domain, unit } = field.holds() else { return Vec::new() };
    let name = field.name();
    let number = |n: &i128| match (unit, name) {
        (Unit::None, "addr" | "ip") => format!("{n:#x}"),
        _ => units::exact(*n, unit),
    };
    if let Some([other]) = within.complement(&domain).list(1).as_deref() {
        return vec![Comparison::One(format!("{name} != {}", number(other)))];
    }
    let ranges = within.as_slice();
    let open = |r: &RangeInclusive<i128>| r.start() == domain.start() || r.end() == domain.end();
    let points = ranges.iter().all(|r| r.start() == r.end() || !open(r));
    if let Some(list) = within.list(LISTED).filter(|list| points && list.len() > 1) {
        let list = list.iter().map(number).collect::<Vec<_>>().join(", ");
        return vec![Comparison::One(format!("{name} in [{list}]"))];
    }
    let comparison = |r: &RangeInclusive<i128>| {
        let (first, last) = (number(r.start()), number(r.end()));
        if r.start() == r.end() {
            Comparison::One(format!("{name} == {first}"))
        } else if r.end() == domain.end() {
            Comparison::One(format!("{name} >= {first}"))
        } else if r.start() == domain.start() {
            Comparison::One(format!("{name} <= {last}"))
        } else {
            Comparison::Two(format!("{name} >= {first} && {name} <= {last}"))
        }
    };
    ranges.iter().map(comparison).collect()
}

fn write_number(f: &mut fmt::Formatter<'_>, field: Field, within: &Ranges) -> fmt::Result {
    let comparisons = comparisons(field, within);
    let several = comparisons.len() > 1;
    let texts = comparisons.into_iter().map(|c| match c {
        Comparison::Two(text) if several => format!("({text})"),
        Comparison::One(text) | Comparison::Two(text) => text,
    });
    let texts: Vec<String> = texts.collect();
    f.write_str(if texts.is_empty() { "false" } else { "" })?;
    f.write_str(&texts.join(" || "))
}

fn write_text(f: &mut fmt::Formatter<'_>, field: Field, test: &TextTest, holds: bool) -> fmt::Result {
    let name = field.name();
    let word = |w: &str| match field.holds() {
        Type::Text(words) if words.listed().contains(&w) => w.to_owned(),
        _ => quoted(w),
    };
    let not = if holds { "" } else { "!" };
    match test {
        TextTest::OneOf(words) if words.len() == 1 => {
            write!(f, "{name} {} {}", if holds { "==" } else { "!=" }, word(&words[0]))
        }
        TextTest::OneOf(words) => {
            let list = words.iter().map(|w| word(w)).collect::<Vec<_>>().join(", ");
            if holds { write!(f, "{name} in [{list}]") } else { write!(f, "!({name} in [{list}])") }
        }
        TextTest::Matches(regex) => write!(f, "{not}{name}.matches({})", quoted(regex.as_str())),
        TextTest::StartsWith(part) => write!(f, "{not}{name}.startsWith({})", quoted(part)),
        TextTest::EndsWith(part) => write!(f, "{not}{name}.endsWith({})", quoted(part)),
        TextTest::Contains(part) => write!(f, "{not}{name}.contains({})", quoted(part)),
    }
}

/// As a quoted text of the language, with control characters escaped.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out + "\""
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        })
    }
}
