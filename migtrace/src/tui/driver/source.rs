//! Where events come from: the running kernel, or a recording.

use std::{collections::BTreeMap, future::Future};

use crate::{
    counts::Counts,
    event::Event,
    recording::{ProcessDetails, ProgramCost, Topology},
    tui::state::session::Playing,
};

/// A command to a recording that is being played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Control {
    TogglePlay,
    /// Multiply the speed.
    ChangeSpeed(f64),
    /// Play from this time, ns.
    Seek(u64),
    /// Read again from the start, up to the position that it had.
    ReadAgain,
}

/// How the source carries on after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controlled {
    GoOn,
    /// Events come from the start again: counting starts at zero.
    Restarted,
}

/// A source of events. The driver calls it from one task only.
pub trait Source {
    /// The next events, by time; `None` after the last. The future may be dropped while it waits, and called again.
    fn next(&mut self) -> impl Future<Output = Option<Vec<Event>>>;

    /// Ten times a second. `now_ns` is CLOCK_BOOTTIME.
    fn tick(&mut self, now_ns: u64);

    /// A message for the user, once.
    fn message(&mut self) -> Option<String>;

    /// Whether the source follows processes, and all of them have exited.
    fn have_exited(&self) -> bool;

    /// Takes a command. A live source ignores it.
    fn control(&mut self, control: Control) -> Controlled;

    /// How a recording is played; `None` for a live source.
    fn playing(&self) -> Option<Playing>;

    /// The counts that the kernel made since the source began, besides a part of the events; `None` if every event comes.
    fn counts(&mut self) -> Option<Counts>;

    /// Cost of the programs in the kernel, as far as it was measured.
    fn programs(&self) -> Vec<ProgramCost>;

    /// Whether the kernel called no programs on functions for a time.
    fn silenced(&self) -> bool;

    /// Paths of the cgroups of events, if the source looks them up.
    fn cgroups(&self) -> Option<BTreeMap<u64, String>>;

    /// The nodes that are online; `None` for a recording, whose metadata has them.
    fn topology(&self) -> Option<Topology>;

    /// Command lines, executables and parents of processes, and how many processes were evicted; `None` if nothing changed
    /// since the last call, or if the metadata has them.
    fn processes(&mut self) -> Option<(Vec<ProcessDetails>, u64)>;
}
