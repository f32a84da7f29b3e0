//! Losses.

use super::{
    name::{Name, Word},
    probe::ProbeName,
    words::words,
};

/// Events lost since the last loss event of the same probe and cause.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    /// `unknown` for a record that names no probe.
    pub probe: ProbeName,
    pub cause: LossName,
    pub count: u64,
}

/// A cause of loss as a trace names it.
pub type LossName = Name<LossCause>;

words! {
    /// Why an event that a probe saw did not reach the trace.
    LossCause {
        /// The ring had no room.
        RingFull,
        /// The start was not seen: it came before the probe was attached, or the kernel had no memory for it.
        NoStart,
        /// The record could not be read.
        Undecodable,
        /// Committed to a ring and never read. Anything but 0 is an error of migtrace.
        Unread,
        /// The kernel's tables for totals were full: too many combinations of values, or too many processes.
        Uncounted,
    }
}

impl Word for LossCause {
    fn word(self) -> &'static str {
        self.into()
    }

    fn of_word(word: &str) -> Option<Self> {
        word.parse().ok()
    }
}
