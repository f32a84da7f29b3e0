//! What a live view needs to know, in bounded memory: fed event by event, from the kernel or from a recording.
//!
//! Pure state. It has no clock: time is that of the newest event, or of a [`State::tick`] where nothing happens. Each event
//! counts as many times as it stands for ([`Event::weight`]). What did not fit is counted, and every part says how much
//! that is. What events mean one by one is for [`super::Run`], which the last events are kept for.

pub mod counts;
pub mod fidelity;
pub mod heat;
mod kernel_counts;
pub mod latencies;
pub mod matrix;
pub mod nodes;
pub mod process;
pub mod processes;
pub mod rates;
pub mod recent;
pub mod regions;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::{
    counts::Counts, fidelity::Fidelity, latencies::ByKind, matrix::Matrix, processes::Processes, rates::Rates,
    recent::Recent,
};
use crate::{
    event::{Body, Cause, Event, Outcome},
    model::measure::migrated_pages,
    recording::Meta,
};

/// Probes and causes that losses are told apart by.
const LOSSES: usize = 256;

/// All that the views read.
#[derive(Clone, Debug)]
pub struct State {
    /// What the source says about itself.
    pub meta: Meta,
    /// What the source can show at all.
    pub fidelity: Fidelity,
    /// Since the first event.
    pub totals: Counts,
    pub rates: Rates,
    /// Pages that moved, by node that they left and node that they came to.
    pub moves: Matrix,
    /// Faults by node of the CPU and node of the page afterwards.
    pub faults: Matrix,
    pub latencies: ByKind,
    pub processes: Processes,
    pub recent: Recent,
    /// Lost events by probe and cause, as loss events tell.
    pub losses: BTreeMap<(String, String), u64>,
    /// Events by the probe that they come from.
    pub probes: BTreeMap<&'static str, u64>,
    /// Faults, checks, marks and moves that were counted in the kernel, and those of them that came as events too.
    counted_events: u64,
    recorded_events: u64,
    /// Events that the kernel had no room to count, or whose counts have no meaning here.
    pub uncounted: u64,
    /// What the kernel had counted at the last look; `None` where every event comes one by one.
    counted: Option<Box<crate::counts::Counts>>,
    first_ns: Option<u64>,
    now_ns: u64,
}

impl State {
    /// Nothing happened yet.
    #[must_use]
    pub fn new(meta: Meta) -> Self {
        let length_ns = meta.end_ns.map(|end| end.saturating_sub(meta.start_ns));
        Self {
            fidelity: Fidelity::of(&meta),
            rates: length_ns.map_or_else(Rates::default, Rates::over),
            now_ns: meta.start_ns,
            meta,
            totals: Counts::default(),
            moves: Matrix::default(),
            faults: Matrix::default(),
            latencies: ByKind::default(),
            processes: Processes::default(),
            recent: Recent::default(),
            losses: BTreeMap::new(),
            probes: BTreeMap::new(),
            counted_events: 0,
            uncounted: 0,
            recorded_events: 0,
            counted: None,
            first_ns: None,
        }
    }

    /// Takes one event.
    pub fn feed(&mut self, event: &Event) {
        self.first_ns.get_or_insert_with(|| event.start_ns());
        self.now_ns = self.now_ns.max(event.ts_ns);
        let shown = Counts::of(event);
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
            let seen = self.probes.entry(probe_of(&event.body)).or_default();
            *seen = seen.saturating_add(event.weight());
            self.latencies.feed(event);
            if !matches!(event.body, Body::Loss(_)) {
                self.processes.feed(event, &shown, &shown);
            }
            self.feed_matrices(event);
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
                    self.moves.add(m.src_nid, to, pages);
                }
            }
            _ => {}
        }
    }

    /// Time goes on, also where nothing happens.
    pub fn tick(&mut self, now_ns: u64) {
        self.now_ns = self.now_ns.max(now_ns);
        self.rates.advance(self.now_ns);
    }

    /// The newest time, ns.
    #[must_use]
    pub const fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// The time that views count from, ns.
    #[must_use]
    pub fn zero_ns(&self) -> u64 {
        match (self.meta.start_ns, self.first_ns) {
            (0, first) => first.unwrap_or(0),
            (start, first) => start.min(first.unwrap_or(start)),
        }
    }

    /// Since then, ns.
    #[must_use]
    pub fn elapsed_ns(&self) -> u64 {
        self.now_ns.saturating_sub(self.zero_ns())
    }

    /// Events that probes saw and nobody got, as far as it was told.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.losses.values().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// Pages that moved: row by row where the source shows each, else by the kernel's own counts of its batches.
    #[must_use]
    pub const fn moved_pages(&self, counts: &Counts) -> u64 {
        if self.fidelity.moves_by_batch { counts.batch_moved_pages } else { counts.moved_pages }
    }

    /// As [`Self::moved_pages`], those that stayed.
    #[must_use]
    pub const fn failed_pages(&self, counts: &Counts) -> u64 {
        if self.fidelity.moves_by_batch { counts.batch_failed_pages } else { counts.failed_pages }
    }

    /// Time waited in page faults and calls, ns. Where faults have no times, what is known is the time in calls; that there
    /// were none says nothing then.
    #[must_use]
    pub fn waited_ns(&self, counts: &Counts) -> Option<u64> {
        (self.fidelity.fault_times.is_available() || counts.stalled_ns > 0).then_some(counts.stalled_ns)
    }

    fn lose(&mut self, probe: &str, cause: &str, count: u64) {
        let key = (probe.to_owned(), cause.to_owned());
        let key = if self.losses.len() < LOSSES || self.losses.contains_key(&key) {
            key
        } else {
            ("...".to_owned(), "...".to_owned())
        };
        let lost = self.losses.entry(key).or_default();
        *lost = lost.saturating_add(count);
    }
}

/// The probe that such events come from.
fn probe_of(body: &Body) -> &'static str {
    match body {
        Body::Check(c) if c.is_hinting() => "hinting_check",
        Body::Migrate(m) if m.cause == Cause::LazyFault => "lazy_migrate",
        Body::Migrate(_) => "direct_migrate",
        Body::Batch(b) if b.work.is_mark() => "lazy_batch",
        other => other.kind(),
    }
}
