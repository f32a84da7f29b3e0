//! The interface that takes an event's values, column by column.

use std::borrow::Cow;

use crate::trace::{column::types::Cell, schema::Named};

/// Takes the values of an event, column by column.
pub(crate) trait Sink<'e> {
    /// Takes the value in `column`.
    fn put<C: Named>(&mut self, column: C, value: <C::Cell as Cell>::Native<'e>);

    /// Takes the value in `column`, if the event has one.
    fn put_if<C: Named>(&mut self, column: C, value: Option<<C::Cell as Cell>::Native<'e>>) {
        if let Some(value) = value {
            self.put(column, value);
        }
    }

    /// As `put_if`, for a text that is only made if needed.
    fn put_made<C: Named<Cell = String>>(&mut self, column: C, make: impl FnOnce() -> Option<Cow<'e, str>>);
}
