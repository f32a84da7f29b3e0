//! Types of columns: how a writer stores a value, how a reader gets it, and how an exporter sees it.
//!
//! Text is read as the dictionaries of the file. A fast reader looks at each word once per batch, and no word is copied row
//! by row.
//!
//! The columns themselves are in schema.rs.

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

/// One value of one row, for exporters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Text(&'a str),
}

/// A type of a column: how values are read, and what a writer stores.
pub(crate) trait Cell {
    type Native<'a>: Copy;
    /// The values in a batch.
    type Values;
    /// A value as a writer stores it.
    type Owned: Owned;
    const TYPE: DataType;

    /// The values of `array`; `None` if it has another type.
    fn values(array: &ArrayRef) -> Option<Self::Values>;
    /// The value of row `row`, which must be in the array; `None` if it is null.
    fn get(values: &Self::Values, row: usize) -> Option<Self::Native<'_>>;
    fn value(native: Self::Native<'_>) -> Value<'_>;

    fn own(native: Self::Native<'_>) -> Self::Owned;
    fn lend(owned: &Self::Owned) -> Self::Native<'_>;
    fn is(owned: &Self::Owned, native: Self::Native<'_>) -> bool;
    fn hash(native: Self::Native<'_>) -> u64;
    /// Bytes of text in a value.
    fn text_bytes(_: &Self::Owned) -> usize {
        0
    }
}

/// A value as Parquet stores it.
pub(crate) trait Owned: Ord + Send + 'static {
    type Physical: parquet::data_type::DataType;

    fn physical(&self) -> <Self::Physical as parquet::data_type::DataType>::T;
    /// Appends the value in the encoding PLAIN.
    fn plain(&self, out: &mut Vec<u8>);
    /// The statistics of a chunk with this minimum and maximum.
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

/// Maximum length of a text in a chunk's statistics.
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

/// A text column: the words of the batch, and the key of each row's word.
pub(crate) struct Texts {
    keys: Int32Array,
    words: StringArray,
}

impl Texts {
    /// The key of the word in row `row`. The library has checked that the word exists.
    fn key(&self, row: usize) -> Option<usize> {
        self.keys.is_valid(row).then(|| self.keys.value(row) as usize)
    }
}

/// One column of a batch. Without values, all rows are null.
pub(crate) struct Cells<C: Cell> {
    pub(crate) name: &'static str,
    values: Option<C::Values>,
}

impl<C: Cell> Cells<C> {
    pub(crate) fn of(batch: &RecordBatch, name: &'static str) -> Self {
        Self { name, values: batch.column_by_name(name).and_then(C::values) }
    }

    /// The value of row `row`, which must be in the batch; `None` if it is null.
    pub(crate) fn get(&self, row: usize) -> Option<C::Native<'_>> {
        self.values.as_ref().and_then(|v| C::get(v, row))
    }

    pub(crate) fn value(&self, row: usize) -> Value<'_> {
        self.get(row).map_or(Value::Null, C::value)
    }
}

impl Cells<String> {
    /// The words of the batch, in the order of their keys. Some may be unused.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        self.values.iter().flat_map(|v| v.words.iter()).map(Option::unwrap_or_default)
    }

    /// The index in [`Cells::words`] of the word in row `row`; `None` if it is null.
    pub(crate) fn key(&self, row: usize) -> Option<usize> {
        self.values.as_ref()?.key(row)
    }
}
