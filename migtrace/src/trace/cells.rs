//! Columns by type: where a writer collects values, where a reader takes them from, and what an exporter sees.
//!
//! Which columns there are is schema.rs's business.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, BooleanArray, BooleanBuilder, Int32Array, Int32Builder, Int64Array, Int64Builder, RecordBatch,
        StringArray, StringBuilder, UInt32Array, UInt32Builder, UInt64Array, UInt64Builder,
    },
    datatypes::DataType,
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
pub(super) trait Cell {
    type Native<'a>;
    type Array: Array + Clone + 'static;
    type Builder: Collect + Default;
    const TYPE: DataType;

    fn at(array: &Self::Array, row: usize) -> Self::Native<'_>;
    fn append(builder: &mut Self::Builder, value: Self::Native<'_>);
    fn value(native: Self::Native<'_>) -> Value<'_>;
}

/// An arrow builder, as far as a column uses it whatever its type.
pub(super) trait Collect {
    fn rows(&self) -> usize;
    fn append_nulls(&mut self, count: usize);
    fn take(&mut self) -> ArrayRef;
    /// One that takes `rows` rows without growing.
    fn with_room(rows: usize) -> Self;
}

/// Bytes of a usual word, for the first guess of what a column of text takes.
const WORD_BYTES: usize = 8;

macro_rules! cells {
    ($($native:ty, $owned:ty, $array:ty, $builder:ty, $data_type:ident, $value:expr, $with_room:expr;)*) => {$(
        impl Cell for $owned {
            type Native<'a> = $native;
            type Array = $array;
            type Builder = $builder;
            const TYPE: DataType = DataType::$data_type;

            fn at(array: &Self::Array, row: usize) -> Self::Native<'_> {
                array.value(row)
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
    &'a str, String, StringArray, StringBuilder, Utf8, Value::Text, |rows| StringBuilder::with_capacity(rows, rows * WORD_BYTES);
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

    /// The value of row `row`, or null.
    pub(super) fn put_if(&mut self, row: usize, value: Option<C::Native<'_>>) {
        if let Some(value) = value {
            self.put(row, value);
        }
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

/// One column of a batch that was read; without an array, all rows are null.
pub(super) struct Cells<C: Cell> {
    pub(super) name: &'static str,
    array: Option<C::Array>,
}

impl<C: Cell> Cells<C> {
    pub(super) fn of(batch: &RecordBatch, name: &'static str) -> Self {
        let array = batch.column_by_name(name).and_then(|a| a.as_any().downcast_ref::<C::Array>()).cloned();
        Self { name, array }
    }

    /// The value of row `row`, which must be one of the batch's; `None` where it is null.
    pub(super) fn get(&self, row: usize) -> Option<C::Native<'_>> {
        self.array.as_ref().filter(|a| a.is_valid(row)).map(|a| C::at(a, row))
    }

    pub(super) fn value(&self, row: usize) -> Value<'_> {
        self.get(row).map_or(Value::Null, C::value)
    }
}
