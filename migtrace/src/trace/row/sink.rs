//! The interface that takes an event's values, column by column.

use std::borrow::Cow;

use crate::{
    event::Comm,
    trace::{column::types::Cell, schema::Named},
};

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

/// Puts a task's name, if the event has one.
pub(super) fn put_comm<'e>(to: &mut impl Sink<'e>, column: impl Named<Cell = String>, comm: Option<&'e Comm>) {
    let comm = comm.map(Comm::as_bytes);
    // Nearly all names are UTF-8, and this check is fast.
    match comm.map(str::from_utf8).transpose() {
        Ok(comm) => to.put_if(column, comm),
        Err(_) => to.put_made(column, || comm.map(String::from_utf8_lossy)),
    }
}
