//! Totals for the summary and the legend, taken part by part: a live log does not keep the events that it has written.

use std::collections::BTreeMap;

use super::legend::Occurs;
use crate::{
    event::{Comm, ProcessId},
    model::{
        Run,
        reconcile::Traced,
        totals::{
            migration_waits::MigrationWaits,
            migrations::{self, MoveKey, Moves},
            waits::Waits,
        },
    },
    recording::account,
};

/// Limit of names; other processes have only their PID.
const MOST_WAITERS: usize = 4096;

/// Counts of all written events.
#[derive(Default)]
pub(super) struct Totals {
    pub(super) events: u64,
    pub(super) moves: BTreeMap<MoveKey, Moves>,
    pub(super) waits: Waits,
    /// Faults that waited for migrations, by both sides.
    pub(super) migration_waits: MigrationWaits,
    /// Names of processes that waited so: that of the thread that did it last.
    pub(super) waiters: BTreeMap<ProcessId, Comm>,
    pub(super) traced: Traced,
    /// Lost events, as the loss events count them.
    pub(super) lost: u64,
    pub(super) occurs: Occurs,
}

impl Totals {
    pub(super) fn new() -> Self {
        Self { waits: Waits::new(), ..Self::default() }
    }

    /// Of a recording as a whole.
    pub(super) fn of(run: &Run) -> Self {
        let mut totals = Self::new();
        totals.take(run);
        totals
    }

    /// Takes the next part.
    pub(super) fn take(&mut self, run: &Run) {
        self.events += run.events.len() as u64;
        for event in &run.events {
            migrations::take(&mut self.moves, event);
            self.traced.take(event);
            let is_wait = self.migration_waits.feed(event);
            if is_wait && (self.waiters.len() < MOST_WAITERS || self.waiters.contains_key(&event.process())) {
                self.waiters.insert(event.process(), event.comm);
            }
        }
        self.waits.take(run);
        self.lost += account::lost_by_events(&run.events);
        self.occurs.take(run);
    }
}
