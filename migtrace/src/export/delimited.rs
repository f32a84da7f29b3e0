//! CSV: a header, then a row an event with all columns, empty where a column is null.

use std::{borrow::Cow, io::Write};

use super::Error;
use crate::{
    event::escape_control,
    trace::{COLUMNS, Trace, Value},
};

/// Writes every event as a row of CSV (RFC 4180, but with LF), after a row of the columns' names.
///
/// # Errors
/// The trace is damaged, or `out` takes no more.
pub fn csv(trace: &Trace, out: &mut impl Write) -> Result<(), Error> {
    let mut writer = ::csv::Writer::from_writer(out);
    writer.write_record(COLUMNS.iter().map(|c| c.name))?;
    for batch in trace.rows() {
        let batch = batch?;
        for row in 0..batch.rows() {
            for value in batch.values(row) {
                writer.write_field(field(value).as_bytes())?;
            }
            writer.write_record(None::<&[u8]>)?;
        }
    }
    Ok(writer.flush()?)
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
