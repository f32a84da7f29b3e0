//! A line that is being typed.

use super::key::{Key, KeyCode};

/// Most characters of a line.
const LONGEST: usize = 500;

/// What the line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Filter,
    Search,
    Page,
}

/// A line that is being typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prompt {
    pub purpose: Purpose,
    pub text: String,
    /// Characters before the cursor.
    pub cursor: usize,
    /// Why the entered line was rejected.
    pub error: Option<String>,
}

/// What a key did to the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    Edited,
    Entered,
    Cancelled,
}

impl Prompt {
    #[must_use]
    pub(crate) fn new(purpose: Purpose, text: String) -> Self {
        Self { purpose, cursor: text.chars().count(), text, error: None }
    }

    /// The text before the line.
    #[must_use]
    pub(crate) const fn label(&self) -> &'static str {
        match self.purpose {
            Purpose::Filter => "filter events: ",
            Purpose::Search => "rows that contain: ",
            Purpose::Page => "page at address: ",
        }
    }

    /// Takes a key.
    pub(crate) fn key(&mut self, key: Key) -> Typed {
        let ctrl = key.ctrl;
        match key.code {
            KeyCode::Enter => return Typed::Entered,
            KeyCode::Esc => return Typed::Cancelled,
            KeyCode::Char('c' | 'g') if ctrl => return Typed::Cancelled,
            KeyCode::Char('u') if ctrl => {
                self.text = self.text.chars().skip(self.cursor).collect();
                self.cursor = 0;
            }
            KeyCode::Char('w') if ctrl => self.delete_word(),
            KeyCode::Char('a') if ctrl => self.cursor = 0,
            KeyCode::Char('e') if ctrl => self.cursor = self.text.chars().count(),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.chars().count(),
            KeyCode::Left => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Right => self.cursor = (self.cursor + 1).min(self.text.chars().count()),
            KeyCode::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                self.remove();
            }
            KeyCode::Delete => self.remove(),
            KeyCode::Char(c) if !ctrl && !c.is_control() && self.text.chars().count() < LONGEST => {
                let at = self.byte();
                self.text.insert(at, c);
                self.cursor += 1;
            }
            _ => {}
        }
        self.error = None;
        Typed::Edited
    }

    fn delete_word(&mut self) {
        let before: Vec<char> = self.text.chars().take(self.cursor).collect();
        let word = before.iter().rev().skip_while(|c| c.is_whitespace()).skip_while(|c| !c.is_whitespace()).count();
        self.text = before[..word].iter().copied().chain(self.text.chars().skip(self.cursor)).collect();
        self.cursor = word;
    }

    fn remove(&mut self) {
        let at = self.byte();
        if at < self.text.len() {
            self.text.remove(at);
        }
    }

    /// The cursor's position in bytes.
    fn byte(&self) -> usize {
        self.text.char_indices().nth(self.cursor).map_or(self.text.len(), |(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[Key]) -> (String, usize) {
        let mut prompt = Prompt::new(Purpose::Search, "aé b".into());
        for key in keys {
            prompt.key(*key);
        }
        (prompt.text, prompt.cursor)
    }

    #[test]
    fn a_line_is_edited_by_characters_not_bytes() {
        let key = |code| Key { code, ctrl: false, alt: false };
        let ctrl = |c| Key { code: KeyCode::Char(c), ctrl: true, alt: false };
        let (left, back) = (key(KeyCode::Left), key(KeyCode::Backspace));
        assert_eq!(typed(&[left, left, back, key(KeyCode::Char('ü'))]), ("aü b".into(), 2));
        assert_eq!(typed(&[ctrl('w')]), ("aé ".into(), 3));
        assert_eq!(typed(&[left, ctrl('u')]), ("b".into(), 0));
        assert_eq!(typed(&[ctrl('a'), back, key(KeyCode::Delete)]), ("é b".into(), 0));
        assert_eq!(typed(&[key(KeyCode::Char('\u{1b}'))]), ("aé b".into(), 4));
    }
}
