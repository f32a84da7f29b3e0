//! The state of the live views, in bounded memory: fed event by event, from the kernel or from a recording.
//!
//! Pure state without a clock: time is that of the newest event or of the last [`State::tick`]. Each event counts with
//! its weight ([`Event::weight`]). Every part counts what did not fit into its limits. Relations between events are for
//! [`super::Run`], for which the last events are kept.

pub mod counts;
pub mod fidelity;
pub mod heat;
mod kernel_counts;
pub mod latencies;
pub mod matrix;
pub mod node_readings;
pub mod nodes;
pub mod process;
pub mod processes;
pub mod rates;
pub mod recent;
pub mod regions;
pub mod second;
pub mod timeline;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::{
    counts::Counts, fidelity::Coverages, latencies::ByKind, matrix::Matrix, node_readings::NodeReadings,
    processes::Processes, rates::Rates, recent::Recent, second::Second, timeline::Timeline,
};
use crate::{
    event::{Body, Event, Kind, LossName, Outcome, Probe, ProbeName},
    model::{measure::migrated_pages, totals::migration_waits::MigrationWaits},
    recording::Meta,
};

/// Limit of probes and causes of loss.
const LOSSES: usize = 256;

/// The state that the views read.
#[derive(Clone, Debug)]
pub struct State {
    /// Metadata of the source.
    pub meta: Meta,
    /// What the source can show.
    pub fidelity: Coverages,
    /// Since the first event.
    pub totals: Counts,
    pub rates: Rates,
    /// Counts over the whole of a recording; `None` if live.
    pub timeline: Option<Timeline>,
    /// Migrated pages by source and target node.
    pub moves: Matrix,
    moves_second: Second<Matrix>,
    /// Faults by node of the CPU and node of the page.
    pub faults: Matrix,
    pub latencies: ByKind,
    /// Faults that waited for migrations, from single events.
    pub waits: MigrationWaits,
    pub processes: Processes,
    pub recent: Recent,
    pub nodes: NodeReadings,
    /// Lost events by probe and cause, from loss events.
    pub losses: BTreeMap<(ProbeName, LossName), u64>,
    /// Events by probe.
    pub probes: BTreeMap<Probe, u64>,
    /// Faults, checks, marks and migrations counted in the kernel, and those of them that also came as events.
    counted_events: u64,
    recorded_events: u64,
    /// Events that the kernel had no room to count, or with enum values that this version does not know.
    pub uncounted: u64,
    /// The kernel's counts at the last read; `None` if every event comes as a record.
    counted: Option<Box<crate::counts::Counts>>,
    first_ns: Option<u64>,
    now_ns: u64,
}

impl State {
    /// Empty state.
    #[must_use]
    pub fn new(meta: Meta) -> Self {
        Self {
            fidelity: Coverages::of(&meta),
            rates: Rates::default(),
            timeline: None,
            now_ns: meta.start_ns,
            meta,
            totals: Counts::default(),
            moves: Matrix::default(),
            moves_second: Second::default(),
            faults: Matrix::default(),
            latencies: ByKind::default(),
            waits: MigrationWaits::default(),
            processes: Processes::default(),
            recent: Recent::default(),
            nodes: NodeReadings::default(),
            losses: BTreeMap::new(),
            probes: BTreeMap::new(),
            counted_events: 0,
            uncounted: 0,
            recorded_events: 0,
            counted: None,
            first_ns: None,
        }
    }

    /// Empty state for a recording.
    #[must_use]
    pub fn of_recording(meta: Meta) -> Self {
        Self { timeline: Some(Timeline::new(meta.start_ns)), ..Self::new(meta) }
    }

    /// Adds one event.
    pub fn feed(&mut self, event: &Event) {
        self.first_ns.get_or_insert_with(|| event.start_ns());
        self.now_ns = self.now_ns.max(event.ts_ns);
        let shown = Counts::of(event);
        self.waits.feed(event);
        if let Body::Loss(loss) = &event.body {
            self.lose(&loss.probe, &loss.cause, loss.count);
        }
        if self.is_counted_in_kernel(event) {
            self.recorded_events = self.recorded_events.saturating_add(event.weight());
            self.latencies.feed_stages(event);
            self.processes.feed(event, &Counts::default(), &shown);
        } else {
            self.totals.add(&shown);
            self.rates.add(event.ts_ns, &shown);
            if let Some(timeline) = &mut self.timeline {
                timeline.add(event.ts_ns, &shown);
            }
            if let Some(probe) = event.body.probe() {
                let seen = self.probes.entry(probe).or_default();
                *seen = seen.saturating_add(event.weight());
            }
            self.latencies.feed(event);
            if !Kind::from(&event.body).is_of_recorder() {
                self.processes.feed(event, &shown, &shown);
            }
            self.feed_matrices(event);
        }
        if let Body::Census(_) = &event.body {
            return;
        }
        if let Body::Node(facts) = &event.body {
            self.nodes.take(event.ts_ns, facts);
            if facts.change.is_none() {
                // Every second has one for each node.
                return;
            }
        }
        self.recent.push(event);
    }

    fn feed_matrices(&mut self, event: &Event) {
        let weight = event.weight();
        match &event.body {
            Body::Fault(f) => {
                if let (Some(from), Some(to)) = (event.cpu_node, f.nid) {
                    self.faults.add(from, to, weight);
                }
            }
            Body::Migrate(m) => {
                if let (Some(to), Some(pages)) = (m.dst_nid, migrated_pages(event, Outcome::Ok)) {
                    self.moves_second.roll(&self.moves, event.ts_ns);
                    self.moves.add(m.src_nid, to, pages);
                }
            }
            _ => {}
        }
    }

    /// Advances the time without an event.
    pub fn tick(&mut self, now_ns: u64) {
        self.now_ns = self.now_ns.max(now_ns);
        self.rates.advance(self.now_ns);
    }

    /// Pages migrated in the last full second, by source and target node.
    #[must_use]
    pub fn moves_last_second(&self) -> Matrix {
        self.moves_second.last(&self.moves, self.now_ns)
    }

    /// Current time, ns.
    #[must_use]
    pub const fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Time 0 of the views, ns.
    #[must_use]
    pub fn zero_ns(&self) -> u64 {
        match (self.meta.start_ns, self.first_ns) {
            (0, first) => first.unwrap_or(0),
            (start, first) => start.min(first.unwrap_or(start)),
        }
    }

    /// Time since time 0, ns.
    #[must_use]
    pub fn elapsed_ns(&self) -> u64 {
        self.now_ns.saturating_sub(self.zero_ns())
    }

    /// Lost events, as far as reported.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.losses.values().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// Migrated pages: from single events if the source has them, else from the kernel's counts of batches.
    #[must_use]
    pub const fn moved_pages(&self, counts: &Counts) -> u64 {
        if self.fidelity.moves_by_batch { counts.batch_moved_pages } else { counts.moved_pages }
    }

    /// As [`Self::moved_pages`], for pages that failed to migrate.
    #[must_use]
    pub const fn failed_pages(&self, counts: &Counts) -> u64 {
        if self.fidelity.moves_by_batch { counts.batch_failed_pages } else { counts.failed_pages }
    }

    /// Time waited in page faults and placement syscalls, ns. If faults have no latency, only the time in syscalls is
    /// known, and `None` if that is 0.
    #[must_use]
    pub fn waited_ns(&self, counts: &Counts) -> Option<u64> {
        (self.fidelity.fault_times.is_available() || counts.stalled_ns > 0).then_some(counts.stalled_ns)
    }

    fn lose(&mut self, probe: &ProbeName, cause: &LossName, count: u64) {
        let key = (probe.clone(), cause.clone());
        let key = if self.losses.len() < LOSSES || self.losses.contains_key(&key) {
            key
        } else {
            ("...".into(), "...".into())
        };
        let lost = self.losses.entry(key).or_default();
        *lost = lost.saturating_add(count);
    }
}
