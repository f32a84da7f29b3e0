//! Lines made of pieces that have a meaning. The terminal ([`super::ansi`]) and the TUI each decide how a meaning looks.

use std::fmt;

/// What a piece of text means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    #[default]
    Plain,
    /// Of minor interest: column heads, times, asides.
    Dim,
    /// Titles of parts, and what stands out.
    Strong,
    Heading,
    /// A placement syscall with its arguments.
    Syscall,
    /// A key to press.
    Key,
    /// Migrated pages, and what is as it should be.
    Good,
    /// Estimates, lazy marks, and what to look at.
    Warn,
    /// Loss and failures.
    Bad,
    /// Remote and misplaced pages.
    Remote,
    /// Bars and sparklines.
    Bar,
    /// The selected row.
    Selected,
}

impl Tone {
    /// A piece of text with this meaning.
    #[must_use]
    pub fn paint(self, text: impl Into<String>) -> Span {
        Span { text: text.into(), tone: self }
    }
}

/// A piece of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub text: String,
    pub tone: Tone,
}

impl From<&str> for Span {
    fn from(text: &str) -> Self {
        Tone::Plain.paint(text)
    }
}

impl From<String> for Span {
    fn from(text: String) -> Self {
        Tone::Plain.paint(text)
    }
}

/// One line, without its newline. The caller escapes control characters (`escape_control`).
///
/// Neighbouring pieces of the same tone are one piece, and no piece is empty. Displayed, it is the text alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line(Vec<Span>);

impl Line {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn spans(&self) -> &[Span] {
        &self.0
    }

    /// Appends a piece, or the pieces of another line.
    pub fn push(&mut self, more: impl Into<Self>) {
        for span in more.into().0 {
            match self.0.last_mut() {
                Some(last) if last.tone == span.tone => last.text.push_str(&span.text),
                _ => self.0.push(span),
            }
        }
    }

    /// Puts the lines one after the other, with text between them.
    #[must_use]
    pub fn join(lines: impl IntoIterator<Item = Self>, separator: &str) -> Self {
        let mut joined = Self::new();
        for (n, line) in lines.into_iter().enumerate() {
            if n > 0 {
                joined.push(separator);
            }
            joined.push(line);
        }
        joined
    }
}

impl<S: Into<Span>> From<S> for Line {
    fn from(span: S) -> Self {
        let span = span.into();
        if span.text.is_empty() { Self::new() } else { Self(vec![span]) }
    }
}

impl IntoIterator for Line {
    type Item = Span;
    type IntoIter = std::vec::IntoIter<Span>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|span| f.write_str(&span.text))
    }
}

/// A [`Line`] of strings, spans and lines: `line!["page 3 ", Tone::Good.paint("migrated"), format!(" to node {nid}")]`.
macro_rules! line {
    ($($piece:expr),* $(,)?) => {{
        let mut line = $crate::text::Line::new();
        $(line.push($piece);)*
        line
    }};
}
pub(crate) use line;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_one_tone_are_one_piece_and_none_is_empty() {
        let line =
            line!["a", "b".to_owned(), Tone::Dim.paint(""), Tone::Good.paint("c"), line![Tone::Good.paint("d"), "e"]];
        let expected = [("ab", Tone::Plain), ("cd", Tone::Good), ("e", Tone::Plain)];
        assert_eq!(line.spans(), expected.map(|(text, tone)| tone.paint(text)));
        assert_eq!(line.to_string(), "abcde");
        assert_eq!(Line::join([Line::new(), line!["x"], line!["y"]], ", ").to_string(), ", x, y");
    }
}
