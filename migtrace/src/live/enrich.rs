//! What the programs cannot see of an event, read from /proc and the cgroup hierarchy while it is still there.
//!
//! Process start times are added by the reader ([`super::process_start`]): it also learns them from records.

use std::collections::BTreeMap;

use super::host::{cgroups::Cgroups, stranded_pages::StrandedPages};
use crate::event::{Event, Owner};

/// Completes events.
#[derive(Debug)]
pub struct Enrich {
    cgroups: Cgroups,
    stranded_pages: StrandedPages,
}

impl Enrich {
    /// For events of the running machine.
    #[must_use]
    pub fn running() -> Self {
        Self { cgroups: Cgroups::running(), stranded_pages: StrandedPages::default() }
    }

    /// Completes each event, and looks up its cgroup's path.
    pub fn complete(&mut self, events: &mut [Event]) {
        for event in events {
            self.cgroups.see(event.cgroup_id);
            if let Owner::Other(owner) = &event.owner {
                self.cgroups.see(owner.cgroup_id);
            }
            self.stranded_pages.fill(event);
        }
    }

    /// Looks up the path of a cgroup that was counted.
    pub fn see_cgroup(&mut self, id: u64) {
        self.cgroups.see(id);
    }

    /// Paths of the cgroups so far, by cgroup id.
    #[must_use]
    pub fn cgroup_paths(&self) -> BTreeMap<u64, String> {
        self.cgroups.paths()
    }
}
