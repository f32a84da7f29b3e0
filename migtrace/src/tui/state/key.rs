//! A key with its modifiers, as the configuration file writes it. The terminal's own key types stay in the driver.

use std::{fmt, str::FromStr};

/// A key without modifiers. Shift is part of a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyCode {
    Char(char),
    F(u8),
    Enter,
    Esc,
    Tab,
    BackTab,
    Backspace,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
    Insert,
    Delete,
}

/// A key with its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub code: KeyCode,
    pub ctrl: bool,
    pub alt: bool,
}

/// Names of keys that are not written as a character.
const NAMED: &[(&str, KeyCode)] = &[
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("backtab", KeyCode::BackTab),
    ("backspace", KeyCode::Backspace),
    ("space", KeyCode::Char(' ')),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pgup", KeyCode::PageUp),
    ("pgdn", KeyCode::PageDown),
    ("insert", KeyCode::Insert),
    ("delete", KeyCode::Delete),
];

impl FromStr for Key {
    type Err = String;

    /// `q`, `G`, `ctrl-d`, `alt-x`, `f1`, `enter`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (mut rest, mut ctrl, mut alt) = (text, false, false);
        loop {
            if let Some(after) = rest.strip_prefix("ctrl-") {
                (rest, ctrl) = (after, true);
            } else if let Some(after) = rest.strip_prefix("alt-") {
                (rest, alt) = (after, true);
            } else {
                break;
            }
        }
        let named = NAMED.iter().find(|(name, _)| *name == rest).map(|(_, code)| *code);
        let function = || rest.strip_prefix('f').and_then(|n| n.parse().ok()).map(KeyCode::F);
        let mut chars = rest.chars();
        let code = match (named.or_else(function), chars.next(), chars.next()) {
            (Some(code), ..) => code,
            (None, Some(c), None) => KeyCode::Char(c),
            _ => return Err(format!("unknown key {text:?}; write for example q, G, ctrl-d, f1, enter, space or up")),
        };
        Ok(Self { code, ctrl, alt })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let modifiers = format!("{}{}", if self.ctrl { "ctrl-" } else { "" }, if self.alt { "alt-" } else { "" });
        let named = NAMED.iter().find(|(_, code)| *code == self.code).map(|(name, _)| (*name).to_owned());
        let name = named.unwrap_or_else(|| match self.code {
            KeyCode::Char(c) => c.to_string(),
            KeyCode::F(n) => format!("f{n}"),
            other => format!("{other:?}").to_lowercase(),
        });
        f.pad(&format!("{modifiers}{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_as_they_are_read() {
        for text in ["q", "G", "ctrl-d", "alt-x", "f1", "enter", "space", "/", "pgdn", "-", "f"] {
            assert_eq!(text.parse::<Key>().expect("a key").to_string(), text);
        }
        assert!("ctrl-nonsense".parse::<Key>().is_err() && "".parse::<Key>().is_err());
    }
}
