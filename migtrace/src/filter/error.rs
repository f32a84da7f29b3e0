//! Errors of expressions, with the place.

use std::{fmt, ops::Range};

/// An expression that is not a filter. Prints what is wrong, the expression with the place marked below it, and what to
/// write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct FilterError {
    /// The whole expression.
    pub source_text: String,
    /// The place, in bytes; past the end if something is missing there.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One character each, so that the mark is in the right place, and no control character reaches a terminal.
        let plain: String = self.source_text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let chars = |to: usize| self.source_text.char_indices().take_while(|(at, _)| *at < to).count();
        let indent = chars(self.span.start);
        let mark = "^".repeat(chars(self.span.end).saturating_sub(indent).max(1));
        write!(f, "{}\n  {plain}\n  {:indent$}{mark}", self.message, "")?;
        if let Some(help) = &self.help {
            write!(f, "\n  {help}")?;
        }
        Ok(())
    }
}

/// A checked part of an expression.
pub(super) type Checked<T> = Result<T, Mistake>;

/// A mistake at a place in an expression.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) span: Range<usize>,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Mistake {
    pub(super) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Suggests the one of `words` that resembles `found`, or lists all.
    pub(super) fn suggest(self, found: &str, words: impl IntoIterator<Item = &'static str>) -> Self {
        let words: Vec<_> = words.into_iter().collect();
        match nearest(found, &words) {
            Some(word) => self.help(format!("did you mean {word}?")),
            None => self.help(format!("use one of {}", words.join(", "))),
        }
    }

    pub(super) fn in_text(self, text: &str) -> FilterError {
        let Self { span, message, help } = self;
        FilterError { source_text: text.to_owned(), span, message, help }
    }
}

/// The word that resembles `found` most, if any does.
fn nearest(found: &str, words: &[&'static str]) -> Option<&'static str> {
    let found = found.to_ascii_lowercase();
    // A common mistake is a column without its unit: `latency` for `latency_ns`.
    let begins = |word: &&str| found.len() >= 3 && word.starts_with(&found);
    if let Some(word) = words.iter().find(|w| begins(w)) {
        return Some(word);
    }
    let like = words.iter().map(|w| (strsim::normalized_damerau_levenshtein(&found, w), *w));
    like.filter(|(score, _)| *score >= 0.6).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, word)| word)
}
