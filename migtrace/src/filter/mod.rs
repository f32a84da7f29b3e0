//! Which events are wanted: one expression language for all commands, and the options that say common things shorter.
//!
//! This module owns the language (docs/filters.md) and what it means on an [`Event`](crate::event::Event), on a row of a trace, and, as far as
//! they can decide it, for the programs in the kernel. What a column is, and which kind has which, is the trace's business.

mod bounds;
mod check;
mod error;
mod evaluate;
pub mod field;
pub mod kernel;
pub mod mask;
pub mod predicate;
mod print;
pub mod ranges;
mod syntax;
mod values;

#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

pub use self::{
    error::FilterError,
    evaluate::{Columns, Row},
};

use self::{field::Field, predicate::Predicate};
use crate::event::{Kind, KindSet};

/// Which events are wanted. Events that say what was lost always are.
#[derive(Clone, Debug)]
pub struct Filter {
    predicate: Predicate,
}

/// Columns that tell whose events they are, and not which.
const OF_TASKS: &[&str] = &["pid", "tid", "comm", "cgroup_id", "process_start_ns"];

impl Filter {
    /// All events.
    #[must_use]
    pub const fn all() -> Self {
        Self { predicate: Predicate::always() }
    }

    /// Those that all of `filters` want.
    #[must_use]
    pub fn both(filters: impl IntoIterator<Item = Self>) -> Self {
        Self { predicate: Predicate::all(filters.into_iter().map(|f| f.predicate)) }
    }

    /// Whether nothing is left out.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.predicate.is_always()
    }

    #[must_use]
    pub const fn predicate(&self) -> &Predicate {
        &self.predicate
    }

    /// Whether an event, or a row of a trace, is wanted.
    #[must_use]
    pub fn wants(&self, event: &(impl Columns + ?Sized)) -> bool {
        self.predicate.holds(event) || event.kind() == Some(Kind::Loss)
    }

    /// The part that says whose events are wanted, and not which of them: what a view reads where it must know all that a
    /// task did in order to say what one event means.
    #[must_use]
    pub fn of_tasks(&self) -> Self {
        let of_task = |f: Field| OF_TASKS.contains(&f.name());
        let parts = self.predicate.conjuncts().iter().filter(|p| p.is_about(&of_task)).cloned();
        Self { predicate: Predicate::all(parts) }
    }

    /// The kinds of which some events may be wanted; loss is one.
    #[must_use]
    pub fn kinds(&self) -> KindSet {
        bounds::kinds(&self.predicate).iter().chain([Kind::Loss]).collect()
    }

    /// The columns that it asks about.
    #[must_use]
    pub fn columns(&self) -> Vec<&'static str> {
        let asks = |field: &Field| !self.predicate.is_about(&|other| other != *field);
        // Of what is not wanted it is asked whether it tells of loss.
        Field::all().filter(|f| *f == Field::kind() || asks(f)).map(Field::name).collect()
    }
}

impl Default for Filter {
    fn default() -> Self {
        Self::all()
    }
}

impl From<Predicate> for Filter {
    fn from(predicate: Predicate) -> Self {
        Self { predicate }
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let predicate = syntax::parse(text).and_then(|tree| check::predicate(&tree, false));
        predicate.map(Self::from).map_err(|mistake| mistake.in_text(text))
    }
}

/// As an expression that wants the same.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.predicate.fmt(f)
    }
}
