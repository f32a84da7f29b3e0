//! Reads the configuration file, `$XDG_CONFIG_HOME/migtrace/config.toml`: how the screen looks, and keys.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use thiserror::Error;

use crate::tui::{
    state::{action::Action, key::Key, keymap::Keymap},
    view::theme::{Palette, Theme},
};

/// Why the configuration file cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("cannot read {}: {why}", path.display())]
    Read { path: PathBuf, why: std::io::Error },
    #[error("{}: {why}", path.display())]
    Content { path: PathBuf, why: String },
}

/// Limits of the time between two updates. The screen takes events ten times a second.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(86400);

/// The settings of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    pub theme: Theme,
    /// Time between two updates.
    pub interval: Option<Duration>,
    pub keymap: Keymap,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    theme: Palette,
    #[serde(default)]
    ascii: bool,
    interval: Option<f64>,
    #[serde(default)]
    keys: BTreeMap<String, Vec<String>>,
}

impl Config {
    /// Reads the user's file; the defaults if there is none.
    ///
    /// # Errors
    /// It cannot be read, or has an unknown name or value.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).map_err(|why| ConfigError::Content { path: path.to_owned(), why }),
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(why) => Err(ConfigError::Read { path: path.to_owned(), why }),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|e| e.to_string())?;
        let mut keymap = Keymap::default();
        for (name, keys) in file.keys {
            let action: Action = name.parse().map_err(|_| format!("[keys]: unknown action {name}"))?;
            keymap.set(action, keys.iter().map(|key| key.parse::<Key>()).collect::<Result<_, _>>()?);
        }
        let interval = file.interval.map(|seconds| interval(&seconds.to_string())).transpose();
        let interval = interval.map_err(|why| format!("interval: {why}"))?;
        Ok(Self { theme: Theme { palette: file.theme, ascii: file.ascii }, interval, keymap })
    }
}

/// Reads the time between two updates: seconds, or a number with a unit.
///
/// # Errors
/// It is no time, too short to be read, or longer than a day.
pub fn interval(text: &str) -> Result<Duration, String> {
    let plain = text.parse::<f64>().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
    let time = plain.map_or_else(|| humantime::parse_duration(text).map_err(|e| format!("{text}: {e}")), Ok)?;
    if (SHORTEST..=LONGEST).contains(&time) {
        return Ok(time);
    }
    Err(format!("{text} is not from {} s to {} s", SHORTEST.as_secs_f64(), LONGEST.as_secs()))
}

/// The path of the user's file, by the values of two environment variables.
#[must_use]
pub fn path(xdg_config_home: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    // The specification (XDG base directories) has relative paths ignored.
    let base = xdg_config_home.filter(|dir| dir.is_absolute()).or_else(|| home.map(|home| home.join(".config")));
    base.map(|base| base.join("migtrace/config.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_sets_theme_and_keys() {
        let config = Config::parse("theme = \"light\"\nascii = true\n[keys]\nquit = [\"x\", \"ctrl-q\"]\n");
        let config = config.expect("a configuration");
        assert_eq!(config.theme, Theme { palette: Palette::Light, ascii: true });
        assert_eq!(config.keymap.name(Action::Quit).as_deref(), Some("x"));
        assert_eq!(Config::parse("").expect("empty"), Config::default());
    }

    #[test]
    fn unknown_names_and_values_are_rejected_by_name() {
        for (text, said) in [
            ("[keys]\nfly = [\"x\"]", "fly"),
            ("[keys]\nquit = [\"hyper-x\"]", "hyper-x"),
            ("theme = \"pink\"", "pink"),
            ("interval = 0.01", "0.1"),
            ("interval = -1.0", "-1"),
            ("colour = 1", "colour"),
        ] {
            let why = Config::parse(text).expect_err("not a configuration");
            assert!(why.contains(said), "{why}");
        }
    }

    #[test]
    fn an_interval_is_in_seconds_or_has_a_unit() {
        assert_eq!(interval("0.1"), Ok(Duration::from_millis(100)));
        assert_eq!(interval("5"), Ok(Duration::from_secs(5)));
        assert_eq!(interval("2m"), Ok(Duration::from_secs(120)));
        assert!(["0", "0.09", "nan", "inf", "1e9", "2d", "soon", ""].iter().all(|text| interval(text).is_err()));
        for (text, millis) in [("interval = 2.5", 2500), ("interval = 2", 2000)] {
            assert_eq!(Config::parse(text).expect("read").interval, Some(Duration::from_millis(millis)));
        }
    }

    #[test]
    fn the_file_is_where_the_specification_says() {
        let is = |xdg: Option<&str>, home: Option<&str>| path(xdg.map(Into::into), home.map(Into::into));
        assert_eq!(is(Some("/c"), Some("/h")), Some("/c/migtrace/config.toml".into()));
        assert_eq!(is(Some("c"), Some("/h")), Some("/h/.config/migtrace/config.toml".into()));
        assert_eq!(is(None, None), None);
    }
}
