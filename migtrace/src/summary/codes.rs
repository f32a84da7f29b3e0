//! Words of a row batch as enums: each distinct word is parsed once, and rows look it up.

use std::str::FromStr;

use crate::trace::{BadRow, Cell, Cells};

/// A column of words.
pub(super) struct Codes<'a, T> {
    cells: &'a Cells<String>,
    /// By key; `None` for a word that is invalid in this column.
    codes: Vec<Option<T>>,
}

impl<'a, T: FromStr + Copy> Codes<'a, T> {
    pub(super) fn of(cells: &'a Cells<String>) -> Self {
        Self { cells, codes: cells.words().map(|word| word.parse().ok()).collect() }
    }

    /// The value of row `row`; `None` if it is null.
    ///
    /// # Errors
    /// The word is invalid in this column.
    pub(super) fn get(&self, row: usize) -> Result<Option<T>, BadRow> {
        match self.cells.key(row) {
            None => Ok(None),
            Some(key) => self.codes[key]
                .map(Some)
                .ok_or_else(|| BadRow { column: self.cells.name, found: self.cells.get(row).map(str::to_owned) }),
        }
    }

    /// The value of row `row`.
    ///
    /// # Errors
    /// As [`Codes::get`], or it is null.
    pub(super) fn need(&self, row: usize) -> Result<T, BadRow> {
        self.get(row)?.ok_or(BadRow { column: self.cells.name, found: None })
    }
}

/// The value of row `row` in a column that it must have.
///
/// # Errors
/// It is null.
pub(super) fn need<C: Cell>(cells: &Cells<C>, row: usize) -> Result<C::Native<'_>, BadRow> {
    cells.get(row).ok_or(BadRow { column: cells.name, found: None })
}
