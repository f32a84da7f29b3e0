//! Predicates: tests on columns, combined by AND and OR.
//!
//! There is no NOT: it was pushed down to the tests, each of which has a negation. A test on a column that an event
//! lacks is neither true nor false. In a tree without NOT that is the same as false. So evaluation has only two
//! outcomes and still does what SQL does.

use regex::Regex;

use super::{field::Field, ranges::Ranges};
use crate::event::KindSet;

/// A condition on an event.
#[derive(Clone, Debug)]
pub enum Predicate {
    /// AND; without parts, always true.
    All(Vec<Predicate>),
    /// OR; without parts, always false.
    Any(Vec<Predicate>),
    /// Whether the event has a value in the column.
    Has {
        field: Field,
        has: bool,
    },
    Kind(KindSet),
    Number {
        field: Field,
        within: Ranges,
    },
    Flag {
        field: Field,
        is: bool,
    },
    Text {
        field: Field,
        test: TextTest,
        holds: bool,
    },
    /// Compares two columns.
    Pair {
        left: Field,
        relation: Relation,
        right: Field,
    },
}

/// A test on a text.
#[derive(Clone, Debug)]
pub enum TextTest {
    OneOf(Vec<String>),
    Matches(Regex),
    StartsWith(String),
    EndsWith(String),
    Contains(String),
}

/// A comparison of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Relation {
    /// Its negation.
    #[must_use]
    pub const fn contrary(self) -> Self {
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::Less => Self::GreaterOrEqual,
            Self::GreaterOrEqual => Self::Less,
            Self::Greater => Self::LessOrEqual,
            Self::LessOrEqual => Self::Greater,
        }
    }

    /// The comparison with the same meaning when the sides are exchanged.
    #[must_use]
    pub const fn exchanged(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::Greater => Self::Less,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same => same,
        }
    }

    /// Whether it holds.
    #[must_use]
    pub fn holds<T: Ord>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

impl TextTest {
    /// Whether it holds.
    #[must_use]
    pub fn holds(&self, text: &str) -> bool {
        match self {
            Self::OneOf(words) => words.iter().any(|w| w == text),
            Self::Matches(regex) => regex.is_match(text),
            Self::StartsWith(part) => text.starts_with(part),
            Self::EndsWith(part) => text.ends_with(part),
            Self::Contains(part) => text.contains(part),
        }
    }
}

impl Predicate {
    /// Holds for every event.
    #[must_use]
    pub const fn always() -> Self {
        Self::All(Vec::new())
    }

    /// The AND of `parts`, with nested ANDs flattened.
    #[must_use]
    pub fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Self::All(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        if flat.len() == 1 { flat.remove(0) } else { Self::All(flat) }
    }

    /// The OR of `parts`, with nested ORs flattened.
    #[must_use]
    pub fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Self::Any(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        if flat.len() == 1 { flat.remove(0) } else { Self::Any(flat) }
    }

    /// A test whether the number in this column is within `within`.
    ///
    /// # Panics
    /// There is no such column.
    #[must_use]
    pub fn number(name: &str, within: Ranges) -> Self {
        Self::Number { field: Field::named(name), within }
    }

    /// A test whether the text in this column is one of `words`.
    ///
    /// # Panics
    /// There is no such column.
    #[must_use]
    pub fn one_of(name: &str, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let test = TextTest::OneOf(words.into_iter().map(Into::into).collect());
        Self::Text { field: Field::named(name), test, holds: true }
    }

    /// Whether it is the AND of nothing, which holds for every event.
    #[must_use]
    pub fn is_always(&self) -> bool {
        matches!(self, Self::All(parts) if parts.is_empty())
    }

    /// The parts of the outermost AND.
    #[must_use]
    pub fn conjuncts(&self) -> &[Self] {
        match self {
            Self::All(parts) => parts,
            other => std::slice::from_ref(other),
        }
    }

    /// Whether it tests only columns for which `of` is true.
    #[must_use]
    pub fn is_about(&self, of: &impl Fn(Field) -> bool) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().all(|p| p.is_about(of)),
            Self::Kind(_) => of(Field::kind()),
            Self::Has { field, .. } | Self::Number { field, .. } | Self::Flag { field, .. } => of(*field),
            Self::Text { field, .. } => of(*field),
            Self::Pair { left, right, .. } => of(*left) && of(*right),
        }
    }
}
