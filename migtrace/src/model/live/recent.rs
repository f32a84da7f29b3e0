//! The last events as they came, for the views that tell them one by one.

use std::collections::VecDeque;

use crate::event::Event;

/// Events that are kept.
pub const RECENT: usize = 4096;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    events: VecDeque<Event>,
    let_go: u64,
}

impl Recent {
    pub(super) fn push(&mut self, event: &Event) {
        if self.events.len() == RECENT {
            self.events.pop_front();
            self.let_go += 1;
        }
        self.events.push_back(event.clone());
    }

    /// Oldest first.
    #[must_use]
    pub const fn events(&self) -> &VecDeque<Event> {
        &self.events
    }

    /// Events that came before these.
    #[must_use]
    pub const fn let_go(&self) -> u64 {
        self.let_go
    }

    /// A number that is another one whenever the events are.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.let_go + self.events.len() as u64
    }
}
