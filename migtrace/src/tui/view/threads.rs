//! Cells of the threads of a process.

use super::table::{Cells, Width, remote_share, width};
use crate::{
    text::Tone,
    tui::rows::{table::Value, threads::Threads},
};

const WIDTHS: [Width; 8] = [
    width(7, 0),  // TID
    width(15, 0), // NAME
    width(5, 0),  // NODE
    width(6, 2),  // MOVES
    width(7, 0),  // FAULTS
    width(7, 1),  // REMOTE
    width(8, 1),  // MIGRATED
    width(8, 1),  // WAITED
];

impl Cells for Threads<'_> {
    fn widths(&self) -> &'static [Width] {
        &WIDTHS
    }

    fn tone(&self, _: usize, column: usize, value: &Value) -> Tone {
        match (column, value) {
            (_, Value::Missing) => Tone::Dim,
            (_, Value::Text(_)) => Tone::Strong,
            (5, Value::Number(percent)) => remote_share(*percent),
            (_, Value::Number(_)) => Tone::Plain,
        }
    }
}
