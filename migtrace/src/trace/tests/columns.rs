use std::borrow::Cow;

use super::with_later_columns;
use crate::{
    event::{Kind, KindSet},
    trace::{
        COLUMNS, FORMAT_VERSION,
        column::types::Cell,
        row::{from_event::put_event, sink::Sink},
        schema::Named,
    },
};

/// Which columns a kind uses, whether or not the event has a value there.
struct Used([bool; COLUMNS.len()]);

impl<'e> Sink<'e> for Used {
    fn put<C: Named>(&mut self, _: C, _: <C::Cell as Cell>::Native<'e>) {
        self.0[C::INDEX] = true;
    }

    fn put_if<C: Named>(&mut self, _: C, _: Option<<C::Cell as Cell>::Native<'e>>) {
        self.0[C::INDEX] = true;
    }

    fn put_made<C: Named<Cell = String>>(&mut self, _: C, _: impl FnOnce() -> Option<Cow<'e, str>>) {
        self.0[C::INDEX] = true;
    }
}

#[test]
fn the_table_lists_the_columns_that_each_kind_uses() {
    let mut kinds = KindSet::default();
    for event in with_later_columns(FORMAT_VERSION) {
        let mut used = Used([false; COLUMNS.len()]);
        put_event(&mut used, &event);
        let kind = Kind::from(&event.body);
        kinds = kinds.iter().chain([kind]).collect();
        for (column, is_used) in COLUMNS.iter().zip(used.0) {
            assert_eq!(column.kinds.contains(&kind), is_used, "{} of {kind}", column.name);
        }
    }
    assert_eq!(kinds, KindSet::all(), "every kind is tested");
}
