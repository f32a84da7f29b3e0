//! What the user selected in tables, and what keys and the mouse need to know of the screen.

use super::action::{Action, View};
use crate::event::ProcessId;

/// What a row is about. It stays the same when rows change places.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RowKey {
    Process(ProcessId),
    Thread(u32),
    Page(ProcessId, u64),
    /// A region, by the address of its start.
    Addr(u64),
    Name(String),
    Number(u64),
}

/// What the user chose in a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    pub selected: Option<RowKey>,
    /// The column to sort by, and whether the greatest comes first.
    pub sort: Option<(usize, bool)>,
}

/// The rows of a table as keys act on them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    /// The rows that pass the search, in the order shown.
    pub keys: Vec<RowKey>,
    /// The sort order if the user chose none.
    pub default_sort: (usize, bool),
    /// For each column, whether it holds numbers.
    pub numbers: Vec<bool>,
}

impl Listing {
    /// The place of the selected row; the first if none is selected.
    #[must_use]
    pub(crate) fn position(&self, choice: &Choice) -> usize {
        self.keys.iter().position(|key| choice.selected.as_ref() == Some(key)).unwrap_or(0)
    }
}

/// The screen as keys and the mouse act on it. `view` makes it of the state before each key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Screen {
    /// Lines that the view has.
    pub height: u16,
    /// Lines of text in a view that has no table.
    pub lines: u16,
    /// The rows of the shown view; `None` if it has no table.
    pub listing: Option<Listing>,
    /// The process that the key "open" would open, if none is open yet.
    pub process: Option<ProcessId>,
}

/// What is under the mouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    View(View),
    Do(Action),
    /// The head of a column.
    Sort(usize),
    /// A row of the table, by its place in the order.
    Row(usize),
}
