//! Lines on a terminal. Colours are always written: the stream (anstream) strips what its reader cannot show.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::span::{Line, Tone};

/// Writes a line, and its newline.
///
/// # Errors
/// Those of the stream.
pub fn write(line: &Line, out: &mut dyn Write) -> io::Result<()> {
    for span in line.spans() {
        let style = style(span.tone);
        write!(out, "{style}{}{style:#}", span.text)?;
    }
    writeln!(out)
}

/// Writes lines.
///
/// # Errors
/// Those of the stream.
pub fn write_all(lines: &[Line], out: &mut dyn Write) -> io::Result<()> {
    lines.iter().try_for_each(|line| write(line, out))
}

/// How a terminal shows a tone.
#[must_use]
pub const fn style(tone: Tone) -> Style {
    match tone {
        Tone::Plain => Style::new(),
        Tone::Dim => Style::new().dimmed(),
        Tone::Strong => Style::new().bold(),
        Tone::Heading => AnsiColor::Cyan.on_default().bold(),
        Tone::Syscall => AnsiColor::Blue.on_default().bold(),
        Tone::Key => AnsiColor::Yellow.on_default().bold(),
        Tone::Good => AnsiColor::Green.on_default(),
        Tone::Warn => AnsiColor::Yellow.on_default(),
        Tone::Bad => AnsiColor::Red.on_default().bold(),
        Tone::Remote => AnsiColor::Magenta.on_default(),
        Tone::Bar => AnsiColor::Cyan.on_default(),
        Tone::Selected => Style::new().invert(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::line;

    #[test]
    fn a_plain_piece_has_no_escapes_and_a_toned_one_ends_its_colour() {
        let mut out = Vec::new();
        write(&line!["a ", Tone::Good.paint("b")], &mut out).expect("memory does not fail");
        assert_eq!(String::from_utf8(out).expect("text"), "a \u{1b}[32mb\u{1b}[0m\n");
    }
}
