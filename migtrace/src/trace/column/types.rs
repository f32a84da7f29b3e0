//! Columns by type: what a writer keeps of a value, where a reader takes it from, and what an exporter sees.
//!
//! Text is read as the dictionaries that files have: a word is looked at once a batch by who wants to be fast, and never
//! copied row by row.
//!
//! Which columns there are is schema.rs's business.

use arrow::{
    array::{
        Array, ArrayRef, BooleanArray, DictionaryArray, Int32Array, Int64Array, RecordBatch, StringArray, UInt32Array,
        UInt64Array,
    },
    datatypes::{DataType, Int32Type as DictionaryKey},
};
use parquet::{
    data_type::{AsBytes, BoolType, ByteArray, ByteArrayType, Int32Type, Int64Type},
    file::statistics::Statistics,
};

use super::hash::{hash_of_number, hash_of_text};

/// One value of one row, as exporters take it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Text(&'a str),
}

/// What a column's type needs: where values are read from, and what a writer keeps.
pub(crate) trait Cell {
    type Native<'a>: Copy;
    /// The values of a batch that was read.
    type Values;
    /// A value that a writer keeps.
    type Owned: Owned;
    const TYPE: DataType;

    /// The values of `array`; `None` where it is of another type.
    fn values(array: &ArrayRef) -> Option<Self::Values>;
    /// The value of row `row`, which must be one of the array's; `None` where it is null.
    fn get(values: &Self::Values, row: usize) -> Option<Self::Native<'_>>;
    fn value(native: Self::Native<'_>) -> Value<'_>;

    fn own(native: Self::Native<'_>) -> Self::Owned;
    fn lend(owned: &Self::Owned) -> Self::Native<'_>;
    fn is(owned: &Self::Owned, native: Self::Native<'_>) -> bool;
    fn hash(native: Self::Native<'_>) -> u64;
    /// Bytes of text that a value takes.
    fn text_bytes(_: &Self::Owned) -> usize {
        0
    }
}

/// A value as Parquet stores it.
pub(crate) trait Owned: Ord + Send + 'static {
    type Physical: parquet::data_type::DataType;

    fn physical(&self) -> <Self::Physical as parquet::data_type::DataType>::T;
    /// Adds the value as the encoding PLAIN has it.
    fn plain(&self, out: &mut Vec<u8>);
    /// Of a chunk whose least and greatest values these are.
    fn statistics(range: Option<(&Self, &Self)>, nulls: u64) -> Statistics;
}

macro_rules! cells {
    ($($type:ty, $values:ty, $data_type:ident, $physical:ty as $bits:ty, $statistics:ident, $value:expr;)*) => {$(
        impl Cell for $type {
            type Native<'a> = $type;
            type Values = $values;
            type Owned = $type;
            const TYPE: DataType = DataType::$data_type;

            fn values(array: &ArrayRef) -> Option<$values> {
                array.as_any().downcast_ref::<$values>().cloned()
            }

            fn get(values: &$values, row: usize) -> Option<Self::Native<'_>> {
                values.is_valid(row).then(|| values.value(row))
            }

            fn value(native: Self::Native<'_>) -> Value<'_> {
                $value(native)
            }

            fn own(native: Self::Native<'_>) -> $type {
                native
            }

            fn lend(owned: &$type) -> Self::Native<'_> {
                *owned
            }

            fn is(owned: &$type, native: Self::Native<'_>) -> bool {
                *owned == native
            }

            fn hash(native: Self::Native<'_>) -> u64 {
                hash_of_number(native as u64)
            }
        }

        impl Owned for $type {
            type Physical = $physical;

            fn physical(&self) -> $bits {
                *self as $bits
            }

            fn plain(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.physical().as_bytes());
            }

            fn statistics(range: Option<(&Self, &Self)>, nulls: u64) -> Statistics {
                let range = range.map(|(min, max)| (min.physical(), max.physical()));
                Statistics::$statistics(range.map(|r| r.0), range.map(|r| r.1), None, Some(nulls), false)
            }
        }
    )*};
}

cells! {
    bool, BooleanArray, Boolean, BoolType as bool, boolean, Value::Bool;
    i32, Int32Array, Int32, Int32Type as i32, int32, |v| Value::Signed(i64::from(v));
    i64, Int64Array, Int64, Int64Type as i64, int64, Value::Signed;
    u32, UInt32Array, UInt32, Int32Type as i32, int32, |v| Value::Unsigned(u64::from(v));
    u64, UInt64Array, UInt64, Int64Type as i64, int64, Value::Unsigned;
}

impl Cell for String {
    type Native<'a> = &'a str;
    type Values = Texts;
    type Owned = Self;
    const TYPE: DataType = DataType::Utf8;

    fn values(array: &ArrayRef) -> Option<Texts> {
        let array = array.as_any().downcast_ref::<DictionaryArray<DictionaryKey>>()?;
        let words = array.values().as_any().downcast_ref::<StringArray>()?;
        Some(Texts { keys: array.keys().clone(), words: words.clone() })
    }

    fn get(values: &Texts, row: usize) -> Option<Self::Native<'_>> {
        values.key(row).map(|key| values.words.value(key))
    }

    fn value(native: Self::Native<'_>) -> Value<'_> {
        Value::Text(native)
    }

    fn own(native: Self::Native<'_>) -> Self {
        native.to_owned()
    }

    fn lend(owned: &Self) -> Self::Native<'_> {
        owned
    }

    fn is(owned: &Self, native: Self::Native<'_>) -> bool {
        owned == native
    }

    fn hash(native: Self::Native<'_>) -> u64 {
        hash_of_text(native)
    }

    fn text_bytes(owned: &Self) -> usize {
        owned.len()
    }
}

/// Longest text that stands in a chunk's statistics.
const STATISTICS_BYTES: usize = 64;

impl Owned for String {
    type Physical = ByteArrayType;

    fn physical(&self) -> ByteArray {
        self.as_str().into()
    }

    fn plain(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.len() as u32).to_le_bytes());
        out.extend_from_slice(self.as_bytes());
    }

    fn statistics(range: Option<(&Self, &Self)>, nulls: u64) -> Statistics {
        let range = range.filter(|(min, max)| min.len().max(max.len()) <= STATISTICS_BYTES);
        let (min, max) = range.map(|(min, max)| (min.physical(), max.physical())).unzip();
        Statistics::byte_array(min, max, None, Some(nulls), false)
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

/// One column of a batch that was read; without values, all rows are null.
pub(crate) struct Cells<C: Cell> {
    pub(crate) name: &'static str,
    values: Option<C::Values>,
}

impl<C: Cell> Cells<C> {
    pub(crate) fn of(batch: &RecordBatch, name: &'static str) -> Self {
        Self { name, values: batch.column_by_name(name).and_then(C::values) }
    }

    /// The value of row `row`, which must be one of the batch's; `None` where it is null.
    pub(crate) fn get(&self, row: usize) -> Option<C::Native<'_>> {
        self.values.as_ref().and_then(|v| C::get(v, row))
    }

    pub(crate) fn value(&self, row: usize) -> Value<'_> {
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
