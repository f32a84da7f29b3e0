//! Types of columns: how a writer stores a value, how a reader gets it, and how an exporter sees it.
//!
//! Stored numbers are signed, because Iceberg, Delta Lake and Spark have no unsigned types. An unsigned number is stored in
//! two's complement: a kernel address is negative in the file, and itself again in a [`Value`].
//!
//! Text is read as the dictionaries of the file. A fast reader looks at each word once per batch, and no word is copied row
//! by row.
//!
//! The columns themselves are in schema.rs. Reading other stored types, of older formats and other programs, is convert.rs'.

use std::convert::identity;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Int32Array, Int64Array, RecordBatch, StringArray,
    },
    datatypes::{DataType, Int32Type as Key, Int64Type as Long},
};
use parquet::{
    data_type::{AsBytes, BoolType, ByteArray, ByteArrayType, Int32Type, Int64Type},
    file::statistics::Statistics,
};

use super::convert::{self, Unfit};
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
    /// How it is stored.
    const TYPE: DataType;
    /// Whether the values are unsigned numbers, stored in two's complement.
    const IS_UNSIGNED: bool = false;

    /// The values of `array`.
    ///
    /// # Errors
    /// It has a type that is not converted, or a number that does not fit.
    fn values(array: &ArrayRef) -> Result<Self::Values, Unfit>;
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
    ($($type:ty as $owned:ty, $values:ty, $data_type:ident, $unsigned:literal, $array:expr, $store:expr, $load:expr, $value:expr;)*) => {$(
        impl Cell for $type {
            type Native<'a> = $type;
            type Values = $values;
            type Owned = $owned;
            const TYPE: DataType = DataType::$data_type;
            const IS_UNSIGNED: bool = $unsigned;

            fn values(array: &ArrayRef) -> Result<$values, Unfit> {
                $array(array)
            }

            fn get(values: &$values, row: usize) -> Option<Self::Native<'_>> {
                values.is_valid(row).then(|| $load(values.value(row)))
            }

            fn value(native: Self::Native<'_>) -> Value<'_> {
                $value(native)
            }

            fn own(native: Self::Native<'_>) -> $owned {
                $store(native)
            }

            fn lend(owned: &$owned) -> Self::Native<'_> {
                $load(*owned)
            }

            fn is(owned: &$owned, native: Self::Native<'_>) -> bool {
                *owned == $store(native)
            }

            fn hash(native: Self::Native<'_>) -> u64 {
                hash_of_number(native as u64)
            }
        }
    )*};
}

cells! {
    bool as bool, BooleanArray, Boolean, false, convert::flags, identity, identity, Value::Bool;
    i32 as i32, Int32Array, Int32, false, convert::signed::<Key>, identity, identity, |v| Value::Signed(i64::from(v));
    i64 as i64, Int64Array, Int64, false, convert::signed::<Long>, identity, identity, Value::Signed;
    u32 as i32, Int32Array, Int32, true, convert::unsigned::<Key>, u32::cast_signed, i32::cast_unsigned,
        |v| Value::Unsigned(u64::from(v));
    u64 as i64, Int64Array, Int64, true, convert::unsigned::<Long>, u64::cast_signed, i64::cast_unsigned, Value::Unsigned;
}

macro_rules! owned {
    ($($type:ty, $physical:ty, $statistics:ident;)*) => {$(
        impl Owned for $type {
            type Physical = $physical;

            fn physical(&self) -> $type {
                *self
            }

            fn plain(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.as_bytes());
            }

            fn statistics(range: Option<(&Self, &Self)>, nulls: u64) -> Statistics {
                Statistics::$statistics(range.map(|r| *r.0), range.map(|r| *r.1), None, Some(nulls), false)
            }
        }
    )*};
}

owned! {
    bool, BoolType, boolean;
    i32, Int32Type, int32;
    i64, Int64Type, int64;
}

impl Cell for String {
    type Native<'a> = &'a str;
    type Values = Texts;
    type Owned = Self;
    const TYPE: DataType = DataType::Utf8;

    fn values(array: &ArrayRef) -> Result<Texts, Unfit> {
        let unfit = || Unfit::of_type(array.data_type());
        let array = array.as_any().downcast_ref::<DictionaryArray<Key>>().ok_or_else(unfit)?;
        let words = convert::utf8(array.values())?;
        Ok(Texts { keys: array.keys().clone(), words: words.as_string().clone() })
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

/// One column of a batch.
pub(crate) struct Cells<C: Cell> {
    pub(crate) name: &'static str,
    values: Option<C::Values>,
}

impl<C: Cell> Cells<C> {
    /// The column `name` of `batch`; without it, all rows are null.
    ///
    /// # Errors
    /// Its values are not this column's.
    pub(crate) fn of(batch: &RecordBatch, name: &'static str) -> Result<Self, Unfit> {
        let values = batch.column_by_name(name).map(C::values).transpose().map_err(|unfit| unfit.in_column(name))?;
        Ok(Self { name, values })
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
