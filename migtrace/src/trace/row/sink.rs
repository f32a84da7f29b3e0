//! What an event's values are given to, column by column.

use std::borrow::Cow;

use crate::trace::{column::types::Cell, schema::Named};

/// Takes the values of an event, column by column.
pub(crate) trait Sink<'e> {
    /// The value in `column`.
    fn put<C: Named>(&mut self, column: C, value: <C::Cell as Cell>::Native<'e>);

    /// The value in `column`, which an event of this kind may lack.
    fn put_if<C: Named>(&mut self, column: C, value: Option<<C::Cell as Cell>::Native<'e>>) {
        if let Some(value) = value {
            self.put(column, value);
        }
    }

    /// As `put_if`, of a text that is yet to be made.
    fn put_made<C: Named<Cell = String>>(&mut self, column: C, make: impl FnOnce() -> Option<Cow<'e, str>>);
}
