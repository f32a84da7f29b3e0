//! When output is in colour.

use anstream::ColorChoice;
use clap::ValueEnum;

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum When {
    Auto,
    Always,
    Never,
}

impl From<When> for ColorChoice {
    fn from(when: When) -> Self {
        match when {
            When::Auto => Self::Auto,
            When::Always => Self::AlwaysAnsi,
            When::Never => Self::Never,
        }
    }
}
