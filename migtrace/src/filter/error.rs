//! What is wrong with an expression, and where.

use std::{fmt, ops::Range};

/// An expression that cannot be a filter. Prints as what is wrong, the expression with the place marked below it, and what
/// may have been meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct FilterError {
    /// The whole expression.
    pub source_text: String,
    /// The place, in bytes; past the end where something is missing there.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One character each, so that the mark stands where it belongs, and nothing reaches a terminal as control.
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

/// A part of an expression that was checked, or what is wrong with it.
pub(super) type Checked<T> = Result<T, Mistake>;

/// A mistake at a place, before it is known in which expression.
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

    /// Asks whether one of `words` was meant instead of `found`, or else says what there is.
    pub(super) fn suggest(self, found: &str, words: impl IntoIterator<Item = &'static str>) -> Self {
        let words: Vec<_> = words.into_iter().collect();
        match nearest(found, &words) {
            Some(word) => self.help(format!("did you mean {word}?")),
            None => self.help(format!("there are {}", words.join(", "))),
        }
    }

    pub(super) fn in_text(self, text: &str) -> FilterError {
        let Self { span, message, help } = self;
        FilterError { source_text: text.to_owned(), span, message, help }
    }
}

/// The word that is most like `found`, if one is like it at all.
fn nearest(found: &str, words: &[&'static str]) -> Option<&'static str> {
    let found = found.to_ascii_lowercase();
    // A column's unit is what people leave out: `latency` for `latency_ns`.
    let begins = |word: &&str| found.len() >= 3 && word.starts_with(&found);
    if let Some(word) = words.iter().find(|w| begins(w)) {
        return Some(word);
    }
    let like = words.iter().map(|w| (strsim::normalized_damerau_levenshtein(&found, w), *w));
    like.filter(|(score, _)| *score >= 0.6).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, word)| word)
}
