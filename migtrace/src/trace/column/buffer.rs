//! Columns while a writer fills them.
//!
//! A column that has a dictionary in the file has it from the first row on. A row is the key of its word; neighbouring
//! rows with the same word, or with none, are one run. Neighbouring events share their process, CPU, kind and class
//! most of the time. So a row costs one comparison, and a column that a kind does not use costs nothing. Libraries look
//! up every value of every row in a hash table, which was more than half of the cost of a recorded event.

use super::types::Cell;

/// The key of a row without a value.
pub(crate) const NULL: u32 = u32::MAX;
/// The key of every other row of a column without a dictionary.
const PRESENT: u32 = 0;

/// Neighbouring rows with the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) key: u32,
    pub(crate) rows: u32,
}

/// The values of one column of a segment. Rows without a value are null.
pub(crate) struct Buffer<C: Cell> {
    /// The words of the dictionary; without a dictionary, the values of all rows.
    pub(crate) values: Vec<C::Owned>,
    pub(crate) runs: Vec<Run>,
    /// Rows in `runs`.
    rows: usize,
    has_dictionary: bool,
    table: Table,
    /// Bytes of text in `values`.
    text_bytes: usize,
}

impl<C: Cell> Buffer<C> {
    pub(crate) fn new(has_dictionary: bool) -> Self {
        let table = Table::default();
        Self { values: Vec::new(), runs: Vec::new(), rows: 0, has_dictionary, table, text_bytes: 0 }
    }

    pub(crate) fn has_dictionary(&self) -> bool {
        self.has_dictionary
    }

    pub(crate) fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    /// Sets the value of row `row`, which must be later than all rows before.
    pub(crate) fn put(&mut self, row: usize, value: C::Native<'_>) {
        self.pad(row);
        self.rows += 1;
        if !self.has_dictionary {
            self.values.push(C::own(value));
            return self.extend(PRESENT, 1);
        }
        if let Some(last) = self.runs.last_mut()
            && last.key != NULL
            && C::is(&self.values[last.key as usize], value)
        {
            last.rows += 1;
            return;
        }
        let key = self.key_of(value);
        self.extend(key, 1);
    }

    /// Makes the rows up to `rows` null that have no value.
    pub(crate) fn pad(&mut self, rows: usize) {
        let missing = rows - self.rows;
        if missing > 0 {
            self.rows = rows;
            self.extend(NULL, missing as u32);
        }
    }

    fn extend(&mut self, key: u32, rows: u32) {
        match self.runs.last_mut() {
            Some(last) if last.key == key => last.rows += rows,
            _ => self.runs.push(Run { key, rows }),
        }
    }

    /// The key of a word; a new word gets the next key.
    fn key_of(&mut self, value: C::Native<'_>) -> u32 {
        let values = &mut self.values;
        let slot = match self.table.find(C::hash(value), |key| C::is(&values[key as usize], value)) {
            Ok(key) => return key,
            Err(slot) => slot,
        };
        let key = values.len() as u32;
        let word = C::own(value);
        self.text_bytes += C::text_bytes(&word);
        values.push(word);
        self.table.insert(slot, key, |key| C::hash(C::lend(&values[key as usize])));
        key
    }
}

/// Finds keys by the hash of their word: open addressing, at most half full.
#[derive(Default)]
struct Table {
    /// Keys, each plus one; 0 is empty.
    slots: Vec<u32>,
    used: usize,
}

impl Table {
    /// The key for which `is` holds, or the free slot for it.
    fn find(&self, hash: u64, is: impl Fn(u32) -> bool) -> Result<u32, usize> {
        if self.slots.is_empty() {
            return Err(0);
        }
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            match self.slots[slot] {
                0 => return Err(slot),
                taken if is(taken - 1) => return Ok(taken - 1),
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    fn insert(&mut self, slot: usize, key: u32, hash_of: impl Fn(u32) -> u64) {
        self.used += 1;
        if self.used * 2 <= self.slots.len() {
            self.slots[slot] = key + 1;
            return;
        }
        let keys = self.slots.iter().filter(|slot| **slot != 0).map(|slot| slot - 1).chain([key]).collect::<Vec<_>>();
        self.slots = vec![0; (self.slots.len() * 2).max(16)];
        for key in keys {
            if let Err(slot) = self.find(hash_of(key), |_| false) {
                self.slots[slot] = key + 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(buffer: &Buffer<impl Cell>) -> Vec<(u32, u32)> {
        buffer.runs.iter().map(|run| (run.key, run.rows)).collect()
    }

    #[test]
    fn rows_of_one_word_are_one_run() {
        let mut column = Buffer::<String>::new(true);
        for (row, word) in [(0, "a"), (1, "a"), (4, "b"), (5, "a")] {
            column.put(row, word);
        }
        column.pad(8);
        assert_eq!(column.values, ["a", "b"]);
        assert_eq!(runs(&column), [(0, 2), (NULL, 2), (1, 1), (0, 1), (NULL, 2)]);
        assert_eq!(column.text_bytes(), 2);
    }

    #[test]
    fn without_a_dictionary_every_value_is_kept() {
        let mut column = Buffer::<u64>::new(false);
        [(1, 7), (2, 7), (3, 8)].into_iter().for_each(|(row, value)| column.put(row, value));
        assert_eq!(column.values, [7, 7, 8]);
        assert_eq!(runs(&column), [(NULL, 1), (PRESENT, 3)]);
    }

    #[test]
    fn many_words_keep_their_keys() {
        let (mut numbers, mut texts) = (Buffer::<u32>::new(true), Buffer::<String>::new(true));
        for row in 0..20_000_usize {
            numbers.put(row, row as u32 % 5000);
            texts.put(row, &format!("a text that is longer than eight bytes {}", row % 3000));
        }
        assert_eq!((numbers.values.len(), texts.values.len()), (5000, 3000));
        assert!(numbers.runs.iter().enumerate().all(|(row, run)| run.key == row as u32 % 5000 && run.rows == 1));
        assert!(texts.runs.iter().enumerate().all(|(row, run)| run.key == row as u32 % 3000));
    }
}
