//! Where the screen's events come from: the running kernel, or a recording.

use std::{collections::BTreeMap, future::Future};

use crate::tui::state::app::Playing;
use crate::{counts::Counts, event::Event, recording::ProgramCost};

/// What is asked of a recording that is being played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Control {
    TogglePlay,
    /// Times as fast as now.
    ChangeSpeed(f64),
    /// To this time, ns.
    Seek(u64),
    /// From the start, as far as it had been played.
    ReadAgain,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controlled {
    GoOn,
    /// Events come from the start again: what was counted is void.
    Restarted,
}

/// A source of events. The driver calls it from one task.
pub trait Source {
    /// The next events, in order of time; `None` after the last. May be dropped while it waits, and called again.
    fn next(&mut self) -> impl Future<Output = Option<Vec<Event>>>;

    /// Ten times a second. `now_ns` is CLOCK_BOOTTIME.
    fn tick(&mut self, now_ns: u64);

    /// Does what is asked; a live source has nothing of it.
    fn control(&mut self, control: Control) -> Controlled;

    /// How a recording is played; `None` of a live source.
    fn playing(&self) -> Option<Playing>;

    /// What was counted in the kernel since the source began, in place of events; `None` where every event comes.
    fn counts(&mut self) -> Option<Counts>;

    /// What the programs in the kernel cost, as far as it was measured.
    fn programs(&self) -> Vec<ProgramCost>;

    /// Whether the kernel stopped calling programs on functions for a time.
    fn silenced(&self) -> bool;

    /// Paths of the cgroups that events had, where they are found out meanwhile.
    fn cgroups(&self) -> Option<BTreeMap<u64, String>>;
}
