//! Which key does what: the keys that come with the program, and those of the configuration file.

use std::{
    collections::{BTreeMap, HashMap},
    str::FromStr,
};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::action::Action;

/// A key with what is held beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    code: KeyCode,
    ctrl: bool,
    alt: bool,
}

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Self {
        let held = |modifier| event.modifiers.contains(modifier);
        Self { code: event.code, ctrl: held(KeyModifiers::CONTROL), alt: held(KeyModifiers::ALT) }
    }
}

/// Names of keys that are no character.
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
            _ => return Err(format!("{text:?} is no key: write q, G, ctrl-d, f1, enter, space, up")),
        };
        Ok(Self { code, ctrl, alt })
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let held = format!("{}{}", if self.ctrl { "ctrl-" } else { "" }, if self.alt { "alt-" } else { "" });
        let name = NAMED.iter().find(|(_, code)| *code == self.code).map(|(name, _)| (*name).to_owned());
        let name = name.unwrap_or_else(|| match self.code {
            KeyCode::Char(c) => c.to_string(),
            KeyCode::F(n) => format!("f{n}"),
            other => format!("{other:?}").to_lowercase(),
        });
        f.pad(&format!("{held}{name}"))
    }
}

/// The keys that come with the program; of several for one action, the first is the one that the screen names.
const DEFAULTS: &[(Action, &[&str])] = &[
    (Action::Quit, &["q", "ctrl-c"]),
    (Action::Help, &["9", "?", "f1"]),
    (Action::Overview, &["1"]),
    (Action::Processes, &["2"]),
    (Action::Regions, &["3"]),
    (Action::Page, &["4"]),
    (Action::Lazy, &["5"]),
    (Action::Latency, &["6"]),
    (Action::Log, &["7"]),
    (Action::Probes, &["8"]),
    (Action::NextView, &["tab", "l", "right"]),
    (Action::PreviousView, &["backtab", "h", "left"]),
    (Action::Up, &["k", "up"]),
    (Action::Down, &["j", "down"]),
    (Action::PageUp, &["ctrl-u", "pgup", "ctrl-b"]),
    (Action::PageDown, &["ctrl-d", "pgdn", "ctrl-f"]),
    (Action::Top, &["g"]),
    (Action::Bottom, &["G"]),
    (Action::Open, &["enter"]),
    (Action::OpenPage, &["a"]),
    (Action::Back, &["esc", "backspace"]),
    (Action::SortNext, &["s", ">"]),
    (Action::SortPrevious, &["S", "<"]),
    (Action::SortReverse, &["R"]),
    (Action::Pause, &["space", "p"]),
    (Action::Mark, &["m"]),
    (Action::Filter, &["/"]),
    (Action::Search, &["f"]),
    (Action::Record, &["r"]),
    (Action::SaveScreen, &["w"]),
    (Action::ExportCsv, &["e"]),
    (Action::Tree, &["t"]),
    (Action::Threads, &["T"]),
    (Action::Matrix, &["x"]),
    (Action::Faster, &["+", "="]),
    (Action::Slower, &["-"]),
    (Action::SeekBack, &["[", ","]),
    (Action::SeekForward, &["]", "."]),
    (Action::SeekStart, &["home", "0"]),
    (Action::SeekEnd, &["end", "$"]),
    (Action::Suspend, &["ctrl-z"]),
    (Action::Redraw, &["ctrl-l"]),
];

/// All keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keymap {
    actions: HashMap<Key, Action>,
    /// Of each action, in the order in which they are named.
    keys: BTreeMap<Action, Vec<Key>>,
}

impl Default for Keymap {
    fn default() -> Self {
        let mut map = Self { actions: HashMap::new(), keys: BTreeMap::new() };
        for (action, keys) in DEFAULTS {
            map.set(*action, keys.iter().map(|key| key.parse().expect("the keys above are keys")).collect());
        }
        map
    }
}

impl Keymap {
    /// Gives an action these keys and no others; other actions lose them.
    pub fn set(&mut self, action: Action, keys: Vec<Key>) {
        self.actions.retain(|_, its| *its != action);
        for (_, others) in self.keys.iter_mut().filter(|(its, _)| **its != action) {
            others.retain(|key| !keys.contains(key));
        }
        self.actions.extend(keys.iter().map(|key| (*key, action)));
        self.keys.insert(action, keys);
    }

    #[must_use]
    pub fn action(&self, key: Key) -> Option<Action> {
        self.actions.get(&key).copied()
    }

    /// The keys of an action.
    #[must_use]
    pub fn keys(&self, action: Action) -> &[Key] {
        self.keys.get(&action).map_or(&[], Vec::as_slice)
    }

    /// The key that the screen names for an action.
    #[must_use]
    pub fn name(&self, action: Action) -> Option<String> {
        self.keys(action).first().map(Key::to_string)
    }
}

#[cfg(test)]
mod tests {
    use strum::IntoEnumIterator;

    use super::*;

    #[test]
    fn every_action_has_a_key_of_its_own() {
        let map = Keymap::default();
        for action in Action::iter() {
            let keys = map.keys(action);
            assert!(!keys.is_empty(), "{action}");
            assert!(keys.iter().all(|key| map.action(*key) == Some(action)), "{action}");
        }
    }

    #[test]
    fn keys_are_written_as_they_are_read() {
        for text in ["q", "G", "ctrl-d", "alt-x", "f1", "enter", "space", "/", "pgdn", "-", "f"] {
            assert_eq!(text.parse::<Key>().expect("a key").to_string(), text);
        }
        assert!("ctrl-nonsense".parse::<Key>().is_err() && "".parse::<Key>().is_err());
    }

    #[test]
    fn a_key_that_is_given_away_is_gone_where_it_was() {
        let mut map = Keymap::default();
        map.set(Action::Quit, vec!["x".parse().expect("a key")]);
        assert_eq!(map.action("x".parse().expect("a key")), Some(Action::Quit));
        assert_eq!(map.action("q".parse().expect("a key")), None);
        assert_eq!(map.keys(Action::Matrix), []);
    }
}
