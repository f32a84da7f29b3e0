//! Columns by type: where a writer collects values, where a reader takes them from, and what an exporter sees.
//!
//! Text is read as the dictionaries that files have: a word is looked at once a batch by who wants to be fast, and never
//! copied row by row.
//!
//! Which columns there are is schema.rs's business.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, BooleanArray, BooleanBuilder, DictionaryArray, Int32Array, Int32Builder, Int64Array,
        Int64Builder, RecordBatch, StringArray, StringBuilder, UInt32Array, UInt32Builder, UInt64Array, UInt64Builder,
    },
    datatypes::{DataType, Int32Type},
};

/// One value of one row, as exporters take it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Text(&'a str),
}

/// What a column's type needs: where values are collected and where they are read.
pub(crate) trait Cell {
    type Native<'a>;
    /// The values of a batch that was read.
    type Values;
    type Builder: Collect + Default;
    const TYPE: DataType;

    /// The values of `array`; `None` where it is of another type.
    fn values(array: &ArrayRef) -> Option<Self::Values>;
    /// The value of row `row`, which must be one of the array's; `None` where it is null.
    fn get(values: &Self::Values, row: usize) -> Option<Self::Native<'_>>;
    fn append(builder: &mut Self::Builder, value: Self::Native<'_>);
    fn value(native: Self::Native<'_>) -> Value<'_>;
}

/// An arrow builder, as far as a column uses it whatever its type.
pub(crate) trait Collect {
    fn rows(&self) -> usize;
    fn append_nulls(&mut self, count: usize);
    fn take(&mut self) -> ArrayRef;
    /// One that takes `rows` rows without growing.
    fn with_room(rows: usize) -> Self;
}

/// Bytes of a usual word, for the first guess of what a column of text takes.
const WORD_BYTES: usize = 8;

macro_rules! cells {
    ($($native:ty, $owned:ty, $values:ty, $builder:ty, $data_type:ident, $value:expr, $with_room:expr;)*) => {$(
        impl Cell for $owned {
            type Native<'a> = $native;
            type Values = $values;
            type Builder = $builder;
            const TYPE: DataType = DataType::$data_type;

            fn values(array: &ArrayRef) -> Option<$values> {
                array.as_any().downcast_ref::<$values>().cloned()
            }

            fn get(values: &$values, row: usize) -> Option<Self::Native<'_>> {
                values.is_valid(row).then(|| values.value(row))
            }

            fn append(builder: &mut Self::Builder, value: Self::Native<'_>) {
                builder.append_value(value);
            }

            fn value(native: Self::Native<'_>) -> Value<'_> {
                $value(native)
            }
        }

        impl Collect for $builder {
            fn rows(&self) -> usize {
                arrow::array::ArrayBuilder::len(self)
            }

            fn append_nulls(&mut self, count: usize) {
                self.append_nulls(count);
            }

            fn take(&mut self) -> ArrayRef {
                Arc::new(self.finish())
            }

            fn with_room(rows: usize) -> Self {
                $with_room(rows)
            }
        }
    )*};
}

cells! {
    bool, bool, BooleanArray, BooleanBuilder, Boolean, Value::Bool, BooleanBuilder::with_capacity;
    i32, i32, Int32Array, Int32Builder, Int32, |v| Value::Signed(i64::from(v)), Int32Builder::with_capacity;
    i64, i64, Int64Array, Int64Builder, Int64, Value::Signed, Int64Builder::with_capacity;
    u32, u32, UInt32Array, UInt32Builder, UInt32, |v| Value::Unsigned(u64::from(v)), UInt32Builder::with_capacity;
    u64, u64, UInt64Array, UInt64Builder, UInt64, Value::Unsigned, UInt64Builder::with_capacity;
}

impl Cell for String {
    type Native<'a> = &'a str;
    type Values = Texts;
    type Builder = StringBuilder;
    const TYPE: DataType = DataType::Utf8;

    fn values(array: &ArrayRef) -> Option<Texts> {
        let array = array.as_any().downcast_ref::<DictionaryArray<Int32Type>>()?;
        let words = array.values().as_any().downcast_ref::<StringArray>()?;
        Some(Texts { keys: array.keys().clone(), words: words.clone() })
    }

    fn get(values: &Texts, row: usize) -> Option<&str> {
        values.key(row).map(|key| values.words.value(key))
    }

    fn append(builder: &mut StringBuilder, value: &str) {
        builder.append_value(value);
    }

    fn value(native: Self::Native<'_>) -> Value<'_> {
        Value::Text(native)
    }
}

impl Collect for StringBuilder {
    fn rows(&self) -> usize {
        arrow::array::ArrayBuilder::len(self)
    }

    fn append_nulls(&mut self, count: usize) {
        self.append_nulls(count);
    }

    fn take(&mut self) -> ArrayRef {
        Arc::new(self.finish())
    }

    fn with_room(rows: usize) -> Self {
        Self::with_capacity(rows, rows * WORD_BYTES)
    }
}

/// A column of text: the batch's words, and which one each row has.
pub(crate) struct Texts {
    keys: Int32Array,
    words: StringArray,
}

impl Texts {
    /// Which of the words row `row` has; the library has checked that there is such a word.
    fn key(&self, row: usize) -> Option<usize> {
        self.keys.is_valid(row).then(|| self.keys.value(row) as usize)
    }
}

/// Values of one column on their way into a batch. Rows that were not put are null; the nulls are appended in one go when
/// the next value comes, so that a column that a kind of event does not use costs nothing.
#[derive(Default)]
pub(super) struct Buffer<C: Cell> {
    builder: C::Builder,
    /// Whether the rows so far hold a value.
    used: bool,
}

impl<C: Cell> Buffer<C> {
    /// The value of row `row`, which is none of those put before.
    pub(super) fn put(&mut self, row: usize, value: C::Native<'_>) {
        self.pad(row);
        self.used = true;
        C::append(&mut self.builder, value);
    }

    /// Appends nulls up to `rows` rows.
    fn pad(&mut self, rows: usize) {
        let missing = rows - self.builder.rows();
        if missing > 0 {
            self.builder.append_nulls(missing);
        }
    }

    /// The values of `rows` rows; none are left.
    pub(super) fn take(&mut self, rows: usize) -> ArrayRef {
        self.pad(rows);
        let array = self.builder.take();
        if std::mem::take(&mut self.used) {
            // The next batch will use this column as well.
            self.builder = C::Builder::with_room(rows);
        }
        array
    }
}

/// One column of a batch that was read; without values, all rows are null.
pub(crate) struct Cells<C: Cell> {
    pub(crate) name: &'static str,
    values: Option<C::Values>,
}

impl<C: Cell> Cells<C> {
    pub(super) fn of(batch: &RecordBatch, name: &'static str) -> Self {
        Self { name, values: batch.column_by_name(name).and_then(C::values) }
    }

    /// The value of row `row`, which must be one of the batch's; `None` where it is null.
    pub(crate) fn get(&self, row: usize) -> Option<C::Native<'_>> {
        self.values.as_ref().and_then(|v| C::get(v, row))
    }

    pub(super) fn value(&self, row: usize) -> Value<'_> {
        self.get(row).map_or(Value::Null, C::value)
    }
}

impl Cells<String> {
    /// The batch's words, in the order of their keys; not all of them need be in use.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        self.values.iter().flat_map(|v| v.words.iter()).map(Option::unwrap_or_default)
    }

    /// Which of [`Cells::words`] row `row` has; `None` where it is null.
    pub(crate) fn key(&self, row: usize) -> Option<usize> {
        self.values.as_ref()?.key(row)
    }
}
