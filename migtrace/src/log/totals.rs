//! What the summary and the key are of, taken stretch by stretch: a live log holds no events that it has told.

use std::collections::BTreeMap;

use super::legend::Occurs;
use crate::{
    model::{
        Run,
        reconcile::Traced,
        totals::{
            migrations::{self, MoveKey, Moves},
            waits::Waits,
        },
    },
    recording::account,
};

/// Counts of all that was told.
#[derive(Default)]
pub(super) struct Totals {
    pub(super) events: u64,
    pub(super) moves: BTreeMap<MoveKey, Moves>,
    pub(super) waits: Waits,
    pub(super) traced: Traced,
    /// Events lost, by the loss events.
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

    /// Takes the next stretch.
    pub(super) fn take(&mut self, run: &Run) {
        self.events += run.events.len() as u64;
        for event in &run.events {
            migrations::take(&mut self.moves, event);
            self.traced.take(event);
        }
        self.waits.take(run);
        self.lost += account::lost_by_events(&run.events);
        self.occurs.take(run);
    }
}
