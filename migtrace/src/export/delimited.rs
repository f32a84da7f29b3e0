//! CSV: a header, then a row an event with all columns, empty where a column is null.

use std::{borrow::Cow, io::Write};

use super::{Counts, Error, each_row};
use crate::{
    event::escape_control,
    filter::Filter,
    trace::{COLUMNS, Trace, Value},
};

/// Writes every event that the filter wants as a row of CSV (RFC 4180, but with LF), after a row of the columns' names.
///
/// # Errors
/// The trace is damaged, or `out` takes no more.
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
