//! Evaluates predicates on events and on rows of a trace.

use super::{
    field::Field,
    predicate::{Predicate, Relation},
};
use crate::{
    event::{Event, Kind},
    trace::{Picked, RowBatch, Value, pick},
};

/// Something that has a value or null in every column.
pub trait Columns {
    /// The value in a column.
    fn value(&self, field: Field) -> Picked<'_>;

    /// Its kind; `None` if this program does not know it.
    fn kind(&self) -> Option<Kind>;
}

impl Columns for Event {
    fn value(&self, field: Field) -> Picked<'_> {
        pick(self, field.index())
    }

    fn kind(&self) -> Option<Kind> {
        Some(Kind::from(&self.body))
    }
}

/// One row of a trace.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    pub batch: &'a RowBatch,
    pub number: usize,
}

impl Columns for Row<'_> {
    fn value(&self, field: Field) -> Picked<'_> {
        Picked::Value(self.batch.value(self.number, field.index()))
    }

    fn kind(&self) -> Option<Kind> {
        match self.value(Field::kind()) {
            Picked::Value(Value::Text(word)) => word.parse().ok(),
            _ => None,
        }
    }
}

impl Predicate {
    /// Whether it holds. A test on a column does not hold if the event has no value there.
    #[must_use]
    pub fn holds(&self, of: &(impl Columns + ?Sized)) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|p| p.holds(of)),
            Self::Any(parts) => parts.iter().any(|p| p.holds(of)),
            Self::Has { field, has } => (of.value(*field) != Picked::Value(Value::Null)) == *has,
            Self::Kind(kinds) => of.kind().is_some_and(|k| kinds.contains(k)),
            Self::Number { field, within } => number(&of.value(*field)).is_some_and(|n| within.contains(n)),
            Self::Flag { field, is } => of.value(*field) == Picked::Value(Value::Bool(*is)),
            Self::Text { field, test, holds } => text(&of.value(*field)).is_some_and(|t| test.holds(t) == *holds),
            Self::Pair { left, relation, right } => pair(&of.value(*left), *relation, &of.value(*right)),
        }
    }
}

fn number(value: &Picked<'_>) -> Option<i128> {
    match value {
        Picked::Value(Value::Unsigned(n)) => Some((*n).into()),
        Picked::Value(Value::Signed(n)) => Some((*n).into()),
        _ => None,
    }
}

fn text<'a>(value: &'a Picked<'_>) -> Option<&'a str> {
    match value {
        Picked::Value(Value::Text(text)) => Some(text),
        Picked::Made(text) => Some(text),
        _ => None,
    }
}

fn pair(left: &Picked<'_>, relation: Relation, right: &Picked<'_>) -> bool {
    if let (Some(left), Some(right)) = (number(left), number(right)) {
        return relation.holds(&left, &right);
    }
    if let (Some(left), Some(right)) = (text(left), text(right)) {
        return relation.holds(&left, &right);
    }
    match (left, right) {
        (Picked::Value(Value::Bool(left)), Picked::Value(Value::Bool(right))) => relation.holds(left, right),
        _ => false,
    }
}
