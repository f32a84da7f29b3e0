//! The last events, for views that list events.

use std::collections::VecDeque;

use crate::event::Event;

/// Number of events kept.
pub const RECENT: usize = 4096;

/// The last events.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    events: VecDeque<Event>,
    evicted: u64,
}

impl Recent {
    pub(super) fn push(&mut self, event: &Event) {
        if self.events.len() == RECENT {
            self.events.pop_front();
            self.evicted += 1;
        }
        self.events.push_back(event.clone());
    }

    /// Oldest first.
    #[must_use]
    pub const fn events(&self) -> &VecDeque<Event> {
        &self.events
    }

    /// Number of evicted events before these.
    #[must_use]
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// A number that changes whenever the events do.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.evicted + self.events.len() as u64
    }
}
