//! Filters: one expression language for all commands. The filter options are short forms of it.
//!
//! This module owns the language (docs/filters.md). It defines what an expression means for an
//! [`Event`](crate::event::Event) and for a row of a trace, and which part of it the BPF programs apply. The columns,
//! and which kind has which, belong to `trace`.

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

/// Selects events. Events of kind `loss` always pass.
#[derive(Clone, Debug)]
pub struct Filter {
    predicate: Predicate,
}

/// Columns that identify the task of an event, or the owner of its page.
const OF_TASKS: &[&str] = &[
    "pid",
    "tid",
    "comm",
    "cgroup_id",
    "process_start_ns",
    "owner_pid",
    "owner_comm",
    "owner_cgroup_id",
    "owner_start_ns",
];

impl Filter {
    /// Passes all events.
    #[must_use]
    pub const fn all() -> Self {
        Self { predicate: Predicate::always() }
    }

    /// Passes the events that pass all of `filters`.
    #[must_use]
    pub fn both(filters: impl IntoIterator<Item = Self>) -> Self {
        Self { predicate: Predicate::all(filters.into_iter().map(|f| f.predicate)) }
    }

    /// Whether it passes all events.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.predicate.is_always()
    }

    #[must_use]
    pub const fn predicate(&self) -> &Predicate {
        &self.predicate
    }

    /// Whether an event, or a row of a trace, passes.
    #[must_use]
    pub fn wants(&self, event: &(impl Columns + ?Sized)) -> bool {
        self.predicate.holds(event) || event.kind() == Some(Kind::Loss)
    }

    /// The part that selects tasks, and not some of their events. A view reads with this part if it needs all events of a
    /// task to explain one of them.
    #[must_use]
    pub fn of_tasks(&self) -> Self {
        let of_task = |f: Field| OF_TASKS.contains(&f.name());
        let parts = self.predicate.conjuncts().iter().filter(|p| p.is_about(&of_task)).cloned();
        Self { predicate: Predicate::all(parts) }
    }

    /// The kinds of which events can pass; `loss` is one.
    #[must_use]
    pub fn kinds(&self) -> KindSet {
        bounds::kinds(&self.predicate).iter().chain([Kind::Loss]).collect()
    }

    /// The columns that it tests, and `kind`.
    #[must_use]
    pub fn columns(&self) -> Vec<&'static str> {
        let asks = |field: &Field| !self.predicate.is_about(&|other| other != *field);
        // Events that do not match pass if their kind is loss.
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

/// As an expression with the same meaning.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.predicate.fmt(f)
    }
}
