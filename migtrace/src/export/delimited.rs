//! CSV: a header, then one row per event with all columns; a null column is empty.

use std::{borrow::Cow, io::Write};

use super::{Counts, Error, each_row};
use crate::{
    event::escape_control,
    filter::Filter,
    trace::{COLUMNS, Trace, Value},
};

/// Writes a row of column names, then a row for each event that matches the filter, as CSV (RFC 4180, but with LF).
///
/// # Errors
/// The trace is damaged, or `out` cannot be written.
pub fn csv(trace: &Trace, filter: &Filter, out: &mut impl Write) -> Result<Counts, Error> {
    let mut writer = ::csv::Writer::from_writer(out);
    writer.write_record(COLUMNS.iter().map(|c| c.name))?;
    let counts = each_row(trace, filter, |values| {
        for value in values {
            writer.write_field(field(*value).as_bytes())?;
        }
        Ok::<_, Error>(writer.write_record(None::<&[u8]>)?)
    })?;
    writer.flush()?;
    Ok(counts)
}

fn field(value: Value<'_>) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::Bool(true) => Cow::Borrowed("true"),
        Value::Bool(false) => Cow::Borrowed("false"),
        Value::Signed(v) => Cow::Owned(v.to_string()),
        Value::Unsigned(v) => Cow::Owned(v.to_string()),
        Value::Text(v) if v.contains(char::is_control) => Cow::Owned(escape_control(v)),
        Value::Text(v) => Cow::Borrowed(v),
    }
}
