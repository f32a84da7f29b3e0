//! Titles of a text's parts.

use super::span::{Line, Tone};

/// A blank line and the heading of a part.
#[must_use]
pub fn heading(title: &str) -> [Line; 2] {
    [Line::new(), Tone::Heading.paint(format!("== {title}")).into()]
}

/// The title of a part below a heading.
#[must_use]
pub fn part(title: &str) -> Line {
    let mut line = Line::from(" ");
    line.push(Tone::Strong.paint(title));
    line
}
