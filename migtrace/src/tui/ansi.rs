//! Text that was written for a terminal, with its colours, as pieces of a line.

use super::view::{canvas::Piece, theme::Tone};

/// The pieces of one line. Only what the log's theme writes is understood; all other sequences are dropped.
pub(super) fn pieces(line: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut tone = Tone::Plain;
    let mut rest = line;
    while let Some(at) = rest.find("\u{1b}[") {
        push(&mut pieces, &rest[..at], tone);
        let after = &rest[at + 2..];
        let Some(end) = after.find(|c: char| c.is_ascii_alphabetic()) else { return pieces };
        if after[end..].starts_with('m') {
            tone = tone_of(tone, &after[..end]);
        }
        rest = &after[end + 1..];
    }
    push(&mut pieces, rest, tone);
    pieces
}

fn push(pieces: &mut Vec<Piece>, text: &str, tone: Tone) {
    if !text.is_empty() {
        pieces.push((text.to_owned(), tone));
    }
}

fn tone_of(before: Tone, codes: &str) -> Tone {
    codes.split(';').fold(before, |tone, code| match code {
        "" | "0" => Tone::Plain,
        "1" if tone == Tone::Plain => Tone::Strong,
        "2" => Tone::Dim,
        "31" => Tone::Bad,
        "32" => Tone::Good,
        "33" => Tone::Warn,
        "34" | "36" => Tone::Heading,
        _ => tone,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log;

    #[test]
    fn the_logs_colours_keep_their_meaning() {
        let line = format!(
            "a {} b {}",
            log::theme::paint(log::theme::MOVED, "moved"),
            log::theme::paint(log::theme::HEADING, "h")
        );
        let expected = [("a ", Tone::Plain), ("moved", Tone::Good), (" b ", Tone::Plain), ("h", Tone::Heading)];
        assert_eq!(pieces(&line), expected.map(|(text, tone)| (text.to_owned(), tone)));
    }

    #[test]
    fn other_sequences_are_dropped() {
        let text: String = pieces("a\u{1b}[2Jb\u{1b}[31mc\u{1b}[").into_iter().map(|(text, _)| text).collect();
        assert_eq!(text, "abc");
    }
}
