//! Picks one value of an event by the number of its column.

use std::borrow::Cow;

use super::{from_event::put_event, sink::Sink};
use crate::event::Event;
use crate::trace::{
    column::types::{Cell, Value},
    schema::Named,
};

/// The value of one event in one column: a [`Value`], or a text that had to be made.
#[derive(Clone, Debug, PartialEq)]
pub enum Picked<'a> {
    Value(Value<'a>),
    Made(String),
}

/// The value of `event` in column number `column` of [`crate::trace::COLUMNS`].
#[must_use]
pub fn pick(event: &Event, column: usize) -> Picked<'_> {
    let mut pick = Pick { column, value: Picked::Value(Value::Null) };
    put_event(&mut pick, event);
    pick.value
}

struct Pick<'e> {
    column: usize,
    value: Picked<'e>,
}

impl<'e> Sink<'e> for Pick<'e> {
    #[inline(always)]
    fn put<C: Named>(&mut self, _: C, value: <C::Cell as Cell>::Native<'e>) {
        if C::INDEX == self.column {
            self.value = Picked::Value(C::Cell::value(value));
        }
    }

    #[inline(always)]
    fn put_made<C: Named<Cell = String>>(&mut self, _: C, make: impl FnOnce() -> Option<Cow<'e, str>>) {
        if C::INDEX == self.column {
            self.value = match make() {
                None => Picked::Value(Value::Null),
                Some(Cow::Borrowed(text)) => Picked::Value(Value::Text(text)),
                Some(Cow::Owned(text)) => Picked::Made(text),
            };
        }
    }
}
