//! Names from traces and from the kernel, made safe to print.

/// `text` with every control character written as an escape, so that no name can drive a terminal.
#[must_use]
pub fn escape_control(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_others_kept() {
        assert_eq!(escape_control("a\u{1b}[2J\tµ"), "a\\u{1b}[2J\\tµ");
    }
}
