//! Columns of other types than this version's: of older formats, whose numbers were unsigned, and of other programs.
//!
//! A number is taken if it is an integer that fits, whatever its width. Floating point is refused: above 2^53 it does not
//! hold all integers.

use std::{fmt, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Decimal128Array, PrimitiveArray, UInt32Array,
        UInt64Array,
    },
    buffer::ScalarBuffer,
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type},
};

/// Why the values of a column cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unfit {
    column: &'static str,
    /// The row in the batch, if one row's value is the reason.
    pub(crate) row: Option<usize>,
    holds: String,
}

impl Unfit {
    /// The whole column has a type that is not converted.
    pub(super) fn of_type(found: &DataType) -> Self {
        Self { column: "", row: None, holds: found.to_string() }
    }

    fn of_value(row: usize, value: i128) -> Self {
        Self { column: "", row: Some(row), holds: value.to_string() }
    }

    pub(crate) fn in_column(self, column: &'static str) -> Self {
        Self { column, ..self }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { column, row, holds } = self;
        match row {
            Some(_) => write!(f, "column {column} holds {holds}, which is out of range"),
            None => write!(f, "column {column} holds {holds}"),
        }
    }
}

/// What a column that is stored as `wanted` can be read from; `None` if it can be read from `found`.
pub(crate) fn refuses(wanted: &DataType, found: &DataType) -> Option<&'static str> {
    let (is_read, takes) = match wanted {
        DataType::Utf8 => (matches!(found, DataType::Utf8 | DataType::Binary), "text"),
        DataType::Boolean => (*found == DataType::Boolean, "true or false"),
        // Spark has no unsigned 64-bit integers: it writes them as decimal(20,0).
        _ => (found.is_integer() || matches!(found, DataType::Decimal128(_, 0)), "integers"),
    };
    (!is_read).then_some(takes)
}

/// Text that is not marked as such in the file.
pub(super) fn utf8(array: &ArrayRef) -> Result<ArrayRef, Unfit> {
    // Otherwise, invalid text would be null.
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, &DataType::Utf8, &options).map_err(|_| Unfit::of_type(array.data_type()))
}

pub(super) fn flags(array: &ArrayRef) -> Result<BooleanArray, Unfit> {
    array.as_boolean_opt().cloned().ok_or_else(|| Unfit::of_type(array.data_type()))
}

/// The type of stored numbers: `Int32Type` or `Int64Type`.
pub(super) trait Stored: ArrowPrimitiveType<Native: TryFrom<i128>> + Sized {
    /// The same numbers as unsigned ones of this width have, without copying; `None` for other arrays.
    fn same_bits(array: &ArrayRef) -> Option<PrimitiveArray<Self>>;
}

macro_rules! stored {
    ($($type:ty, $unsigned:ty;)*) => {$(
        impl Stored for $type {
            fn same_bits(array: &ArrayRef) -> Option<PrimitiveArray<Self>> {
                let array = array.as_any().downcast_ref::<$unsigned>()?;
                let bits = ScalarBuffer::new(array.values().inner().clone(), 0, array.len());
                Some(PrimitiveArray::new(bits, array.nulls().cloned()))
            }
        }
    )*};
}

stored! {
    Int32Type, UInt32Array;
    Int64Type, UInt64Array;
}

/// The numbers of a signed column.
pub(super) fn signed<T: Stored>(array: &ArrayRef) -> Result<PrimitiveArray<T>, Unfit> {
    match array.as_primitive_opt::<T>() {
        Some(same) => Ok(same.clone()),
        None => numbers(array, |number| T::Native::try_from(number).ok()),
    }
}

/// The numbers of an unsigned column, in two's complement.
pub(super) fn unsigned<T: Stored>(array: &ArrayRef) -> Result<PrimitiveArray<T>, Unfit> {
    if let Some(same) = array.as_primitive_opt::<T>() {
        return Ok(same.clone());
    }
    if let Some(same) = T::same_bits(array) {
        return Ok(same);
    }
    let values = 1_i128 << (8 * size_of::<T::Native>());
    let wrapped = |number: i128| if (values / 2..values).contains(&number) { number - values } else { number };
    numbers(array, |number| T::Native::try_from(wrapped(number)).ok())
}

fn numbers<T: Stored>(array: &ArrayRef, fit: impl Fn(i128) -> Option<T::Native>) -> Result<PrimitiveArray<T>, Unfit> {
    let fitted = |(row, number): (usize, Option<i128>)| {
        number.map(|number| fit(number).ok_or_else(|| Unfit::of_value(row, number))).transpose()
    };
    integers(array)?.enumerate().map(fitted).collect()
}

/// The values of an array of integers.
fn integers(array: &ArrayRef) -> Result<Box<dyn Iterator<Item = Option<i128>> + '_>, Unfit> {
    fn of<T: ArrowPrimitiveType<Native: Into<i128>>>(array: &ArrayRef) -> Box<dyn Iterator<Item = Option<i128>> + '_> {
        Box::new(array.as_primitive::<T>().iter().map(|value| value.map(Into::into)))
    }
    Ok(match array.data_type() {
        DataType::Int8 => of::<Int8Type>(array),
        DataType::Int16 => of::<Int16Type>(array),
        DataType::Int32 => of::<Int32Type>(array),
        DataType::Int64 => of::<Int64Type>(array),
        DataType::UInt8 => of::<UInt8Type>(array),
        DataType::UInt16 => of::<UInt16Type>(array),
        DataType::UInt32 => of::<UInt32Type>(array),
        DataType::UInt64 => of::<UInt64Type>(array),
        DataType::Decimal128(_, 0) => {
            let decimals: &Decimal128Array = array.as_primitive();
            Box::new(decimals.iter())
        }
        other => return Err(Unfit::of_type(other)),
    })
}

/// A column as this version stores it.
///
/// # Errors
/// It has a type that is not converted, or a number that does not fit.
pub(crate) fn to_stored(array: &ArrayRef, wanted: &DataType, is_unsigned: bool) -> Result<ArrayRef, Unfit> {
    Ok(match (wanted, is_unsigned) {
        (found, _) if found == array.data_type() => array.clone(),
        (DataType::Int32, true) => Arc::new(unsigned::<Int32Type>(array)?),
        (DataType::Int32, false) => Arc::new(signed::<Int32Type>(array)?),
        (DataType::Int64, true) => Arc::new(unsigned::<Int64Type>(array)?),
        (DataType::Int64, false) => Arc::new(signed::<Int64Type>(array)?),
        (DataType::Utf8, _) => utf8(array)?,
        _ => return Err(Unfit::of_type(array.data_type())),
    })
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int64Array, UInt8Array};

    use super::*;

    fn array(values: impl Array + 'static) -> ArrayRef {
        Arc::new(values)
    }

    #[test]
    fn unsigned_numbers_keep_their_bits_in_every_type() {
        let max = Some(-1);
        let decimals = Decimal128Array::from(vec![Some(7), None, Some(i128::from(u64::MAX))]);
        let decimals = decimals.with_precision_and_scale(20, 0).expect("decimals");
        for numbers in [
            array(Int64Array::from(vec![Some(7), None, Some(-1)])),
            array(UInt64Array::from(vec![Some(7), None, Some(u64::MAX)])),
            array(decimals),
        ] {
            let stored = unsigned::<Int64Type>(&numbers).expect("converted");
            assert_eq!(stored.iter().collect::<Vec<_>>(), [Some(7), None, max], "{}", numbers.data_type());
        }
        for wide in [i64::from(u32::MAX), -1] {
            let stored = unsigned::<Int32Type>(&array(Int64Array::from(vec![wide]))).expect("converted");
            assert_eq!(stored.value(0), -1, "{wide}");
        }
        assert_eq!(signed::<Int32Type>(&array(UInt8Array::from(vec![200]))).expect("converted").value(0), 200);
        let sliced = array(UInt32Array::from(vec![1, u32::MAX, 3])).slice(1, 1);
        assert_eq!(unsigned::<Int32Type>(&sliced).expect("converted").values(), &[-1]);
    }

    #[test]
    fn a_number_that_does_not_fit_is_an_error_and_never_null() {
        let large = array(Int64Array::from(vec![1, 1 << 32]));
        let error = unsigned::<Int32Type>(&large).expect_err("too large").in_column("pid");
        assert_eq!(
            (error.row, error.to_string()),
            (Some(1), "column pid holds 4294967296, which is out of range".into())
        );
        let error = signed::<Int32Type>(&array(UInt32Array::from(vec![u32::MAX]))).expect_err("too large");
        assert_eq!(error.row, Some(0));
    }

    #[test]
    fn floating_point_is_refused() {
        let error = unsigned::<Int64Type>(&array(Float64Array::from(vec![1.0]))).expect_err("refused");
        assert_eq!(error.in_column("addr").to_string(), "column addr holds Float64");
        assert_eq!(refuses(&DataType::Int64, &DataType::Float64), Some("integers"));
        assert_eq!(refuses(&DataType::Int64, &DataType::Decimal128(20, 2)), Some("integers"));
        assert_eq!(refuses(&DataType::Int64, &DataType::UInt8), None);
    }
}
