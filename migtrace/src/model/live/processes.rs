//! The processes of the live views, up to a limit.

use super::{counts::Counts, heat::Heat, process::Process};
use crate::model::bounded::lru::Lru;
use crate::{
    counts,
    event::{Body, Event, Owner, OwnerProcess, ProcessId, TaskEvent},
};

/// Limit of processes.
pub const PROCESSES: usize = 4096;
/// Limit of processes with a heat map.
const HEATS: usize = 128;
/// Limit of regions of all processes together.
const REGIONS: usize = 1 << 16;

/// All processes.
#[derive(Clone, Debug)]
pub struct Processes {
    all: Lru<ProcessId, Process>,
    /// Counts of evicted processes.
    gone: Counts,
    heats: usize,
    regions: usize,
    regions_left_out: u64,
    /// Forks whose child has had no event yet: child PID -> parent PID.
    forks: Lru<u32, u32>,
}

impl Default for Processes {
    fn default() -> Self {
        Self {
            all: Lru::new(PROCESSES),
            gone: Counts::default(),
            heats: 0,
            regions: 0,
            regions_left_out: 0,
            forks: Lru::new(PROCESSES),
        }
    }
}

impl Processes {
    /// See [`Process::feed`].
    ///
    /// Pages count for their owner, and time for the process that waits.
    pub(super) fn feed(&mut self, event: &Event, counts: &Counts, shown: &Counts) {
        match &event.owner {
            Owner::Other(owner) if event.body.has_page() => {
                self.feed_page(owner, event, &counts.of_pages());
                self.feed_actor(event, &counts.but_pages(), &shown.but_pages());
            }
            // Page cache that no process maps.
            Owner::Unknown if matches!(event.body, Body::Migrate(_)) => {
                self.feed_actor(event, &counts.but_pages(), &shown.but_pages());
            }
            _ => self.feed_actor(event, counts, shown),
        }
    }

    /// Adds what happened to a page of a process that did not act.
    fn feed_page(&mut self, owner: &OwnerProcess, event: &Event, counts: &Counts) {
        self.make_room(owner.process);
        if let Some(process) = self.all.get_mut(&owner.process) {
            process.feed_page(owner, event, counts);
        }
    }

    /// Adds an event of a process's own tasks.
    fn feed_actor(&mut self, event: &Event, counts: &Counts, shown: &Counts) {
        let id = event.process();
        self.make_room(id);
        let (heats, regions) = (&mut self.heats, &mut self.regions);
        let Some(process) = self.all.get_mut(&id) else { return };
        if process.heat.is_none() && *heats < HEATS && matches!(event.body, Body::Fault(_)) {
            process.heat = Some(Box::default());
            *heats += 1;
        }
        let before = process.regions.len();
        process.feed(event, counts, shown);
        *regions += process.regions.len() - before;
        if *regions > REGIONS {
            // Drops the regions of this process, and counts them as left out.
            self.regions_left_out += process.regions.len() as u64;
            *regions -= process.regions.len();
            process.regions = super::regions::Regions::default();
        }
        if let Body::Task(t) = &event.body
            && t.what == TaskEvent::Fork
            && let Some(child) = t.target_pid
        {
            *self.forks.entry(&child, || 0, |_, _| {}) = event.pid;
        }
    }

    /// See [`Process::count`].
    pub(super) fn count(&mut self, id: ProcessId, named: &counts::Process, counts: &Counts, now_ns: u64) {
        self.make_room(id);
        if let Some(process) = self.all.get_mut(&id) {
            process.count(named, counts, now_ns);
        }
    }

    /// Adds a process if it is new, and evicts others if needed.
    fn make_room(&mut self, id: ProcessId) {
        let (gone, heats, regions, forks) = (&mut self.gone, &mut self.heats, &mut self.regions, &self.forks);
        self.all.entry(
            &id,
            || Process::child_of(forks.get(&id.pid).copied()),
            |_, process| {
                gone.add(&process.counts);
                *heats -= usize::from(process.heat.is_some());
                *regions -= process.regions.len();
            },
        );
    }

    /// Keeps a heat map for this process, even beyond the limit.
    pub fn keep_heat(&mut self, id: ProcessId) {
        if let Some(process) = self.all.get_mut(&id)
            && process.heat.is_none()
        {
            process.heat = Some(Box::<Heat>::default());
            self.heats += 1;
        }
    }

    #[must_use]
    pub fn get(&self, id: ProcessId) -> Option<&Process> {
        self.all.get(&id)
    }

    /// All processes, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (ProcessId, &Process)> {
        self.all.iter().map(|(id, process)| (*id, process))
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Number of evicted processes, and their counts.
    #[must_use]
    pub const fn evicted(&self) -> (u64, Counts) {
        (self.all.evicted(), self.gone)
    }

    /// Regions dropped because all processes together had too many.
    #[must_use]
    pub const fn regions_left_out(&self) -> u64 {
        self.regions_left_out
    }
}
