//! Which key does what: the default keys, and those of the configuration file.

use std::collections::{BTreeMap, HashMap};

use strum::IntoEnumIterator;

use super::{
    action::{Action, View},
    key::Key,
};

/// The default keys. The screen shows the first key of an action.
const DEFAULTS: &[(Action, &[&str])] = &[
    (Action::Quit, &["q", "ctrl-c"]),
    (Action::Help, &["?", "f1"]),
    (Action::Overview, &["1"]),
    (Action::Processes, &["2"]),
    (Action::Regions, &["3"]),
    (Action::Page, &["4"]),
    (Action::Lazy, &["5"]),
    (Action::Latency, &["6"]),
    (Action::Log, &["7"]),
    (Action::Probes, &["8"]),
    (Action::Nodes, &["9"]),
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

/// The keys of all actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keymap {
    actions: HashMap<Key, Action>,
    /// The keys of each action, the one that the screen shows first.
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
    /// Gives an action these keys and no others. Other actions lose them.
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

    /// The key that the screen shows for an action.
    #[must_use]
    pub fn name(&self, action: Action) -> Option<String> {
        self.keys(action).first().map(Key::to_string)
    }

    /// The key that the screen shows for a view.
    #[must_use]
    pub fn name_of_view(&self, view: View) -> Option<String> {
        Action::iter().find(|action| action.view() == Some(view)).and_then(|action| self.name(action))
    }
}

#[cfg(test)]
mod tests {
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
    fn a_key_that_gets_another_action_loses_its_first() {
        let mut map = Keymap::default();
        map.set(Action::Quit, vec!["x".parse().expect("a key")]);
        assert_eq!(map.action("x".parse().expect("a key")), Some(Action::Quit));
        assert_eq!(map.action("q".parse().expect("a key")), None);
        assert_eq!(map.keys(Action::Matrix), []);
    }
}
