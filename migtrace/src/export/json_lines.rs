//! JSON lines: one object per event, without null columns.

use std::io::{self, Write};

use super::{Counts, Error, each_row};
use crate::{
    filter::Filter,
    trace::{COLUMNS, Trace, Value},
};

/// Writes a line with a flat JSON object for each event that matches the filter.
///
/// Numbers are integers; for those above 2^53 the reader must support 64 bits.
///
/// # Errors
/// The trace is damaged, or `out` cannot be written.
pub fn jsonl(trace: &Trace, filter: &Filter, out: &mut impl Write) -> Result<Counts, Error> {
    let counts = each_row(trace, filter, |values| Ok::<_, Error>(write_row(values, out)?))?;
    out.flush()?;
    Ok(counts)
}

fn write_row(values: &[Value<'_>], out: &mut impl Write) -> io::Result<()> {
    let mut separator = "{";
    for (column, value) in COLUMNS.iter().zip(values) {
        if *value == Value::Null {
            continue;
        }
        write!(out, "{separator}\"{}\":", column.name)?;
        write_value(*value, out)?;
        separator = ",";
    }
    out.write_all(b"}\n")
}

fn write_value(value: Value<'_>, out: &mut impl Write) -> io::Result<()> {
    match value {
        Value::Null => out.write_all(b"null"),
        Value::Bool(v) => write!(out, "{v}"),
        Value::Signed(v) => write!(out, "{v}"),
        Value::Unsigned(v) => write!(out, "{v}"),
        Value::Text(v) => write_text(v, out),
    }
}

/// Escapes DEL and the control characters from U+0080 on, too: JSON allows them, terminals interpret them.
fn write_text(text: &str, out: &mut impl Write) -> io::Result<()> {
    if !text.contains(|c: char| c.is_control() && c > '\u{1f}') {
        return Ok(serde_json::to_writer(out, text)?);
    }
    for c in serde_json::to_string(text)?.chars() {
        match c.is_control() {
            true => write!(out, "\\u{:04x}", u32::from(c))?,
            false => write!(out, "{c}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_json_and_nulls_are_left_out() {
        let mut values = [Value::Null; COLUMNS.len()];
        values[0] = Value::Unsigned(u64::MAX);
        values[2] = Value::Signed(-1);
        values[5] = Value::Text("a\"\\\u{1b}[2J\u{7f}\u{9b}é");
        values[12] = Value::Bool(false);
        let mut out = Vec::new();
        write_row(&values, &mut out).expect("written");
        let line = String::from_utf8(out).expect("text");
        let escaped = r#""a\"\\\u001b[2J\u007f\u009bé""#;
        assert_eq!(
            line,
            format!("{{\"ts_ns\":18446744073709551615,\"cpu_node\":-1,\"comm\":{escaped},\"major\":false}}\n")
        );
        let parsed: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(parsed["comm"], "a\"\\\u{1b}[2J\u{7f}\u{9b}é");
    }
}
