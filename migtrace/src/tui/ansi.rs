//! Lines of the log in the view's tones.

use super::view::{canvas::Piece, theme::Tone};
use crate::text;

/// A piece of a line of the log.
pub(super) fn piece(span: text::Span) -> Piece {
    let tone = match span.tone {
        text::Tone::Plain => Tone::Plain,
        text::Tone::Dim => Tone::Dim,
        text::Tone::Strong => Tone::Strong,
        text::Tone::Heading | text::Tone::Syscall => Tone::Heading,
        text::Tone::Key => Tone::Key,
        text::Tone::Good => Tone::Good,
        text::Tone::Warn => Tone::Warn,
        text::Tone::Bad => Tone::Bad,
        text::Tone::Remote => Tone::Remote,
        text::Tone::Bar => Tone::Bar,
        text::Tone::Selected => Tone::Selected,
    };
    (span.text, tone)
}
