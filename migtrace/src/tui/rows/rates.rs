//! The rates of Overview: which there are, and their numbers.

use crate::{
    model::live::{counts::Counts, rates::SECOND_NS},
    recording::Coverage,
    text::Tone,
    tui::state::{app::App, session::Source},
};

/// Seconds of the long mean.
const MEAN_SECONDS: usize = 60;

/// A rate.
pub(crate) struct Rate<'a> {
    app: &'a App,
    pub(crate) name: &'static str,
    /// Its name in JSON.
    pub(crate) key: &'static str,
    pub(crate) level: &'a Coverage,
    pub(crate) tone: Tone,
    pub(crate) of: fn(&Counts) -> u64,
}

/// The rates, in order.
pub(crate) fn all(app: &App) -> [Rate<'_>; 5] {
    let f = &app.shown().fidelity;
    let by_batch = f.moves_by_batch;
    let moved: fn(&Counts) -> u64 = if by_batch { |c| c.batch_moved_pages } else { |c| c.moved_pages };
    let failed: fn(&Counts) -> u64 = if by_batch { |c| c.batch_failed_pages } else { |c| c.failed_pages };
    let rate = |name, key, level, tone, of| Rate { app, name, key, level, tone, of };
    [
        rate("faults", "faults", &f.faults, Tone::Bar, |c| c.faults),
        rate("remote faults", "remote_faults", &f.remote, Tone::Remote, |c| c.remote_faults),
        rate("misplaced", "misplaced", &f.misplaced, Tone::Remote, |c| c.misplaced),
        rate("pages migrated", "pages_migrated", &f.moved, Tone::Good, moved),
        rate("not migrated", "pages_not_migrated", &f.moved, Tone::Bad, failed),
    ]
}

impl Rate<'_> {
    /// Per second, now; the mean of a recording.
    pub(crate) fn now(&self) -> f64 {
        match self.app.source {
            Source::Live => self.app.shown().rates.now(self.of),
            Source::Recording(_) => self.mean(),
        }
    }

    /// Per second, over the last minute; over a recording as far as it was read.
    pub(crate) fn mean(&self) -> f64 {
        let state = self.app.shown();
        match self.app.source {
            Source::Live => state.rates.mean(MEAN_SECONDS, self.of),
            Source::Recording(_) if state.elapsed_ns() == 0 => 0.0,
            Source::Recording(_) => self.total() as f64 * SECOND_NS as f64 / state.elapsed_ns() as f64,
        }
    }

    /// Since the start of tracing.
    pub(crate) fn total(&self) -> u64 {
        (self.of)(&self.app.shown().totals)
    }
}
