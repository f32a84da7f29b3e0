//! Metrics of one run: the cost of migrating pages, inside the syscalls and in later page faults.

use std::num::NonZeroU32;

use crate::{
    event::{Body, Probe},
    model::{
        Run,
        latency::Latencies,
        lazy::{fate::Gone, funnel::Funnel},
        totals::move_requests::MoveRequests,
    },
    recording::account,
};

/// The metrics of one run; `None` if the trace cannot show it or it does not apply.
#[derive(Clone, Debug, Default)]
pub struct Measure {
    /// The trace's file name.
    pub name: String,
    /// `None` if placement syscalls were not recorded.
    pub requests: Option<u64>,
    /// Whether a syscall migrated lazily.
    pub is_lazy: bool,
    pub asked_pages: Option<u64>,
    pub moved_in_request_pages: Option<u64>,
    pub marked_pages: Option<u64>,
    pub moved_in_fault_pages: Option<u64>,
    pub placed_pages: Option<u64>,
    pub failed_pages: Option<u64>,
    pub gone_pages: Option<u64>,
    pub untouched_pages: Option<u64>,
    pub request_ns: Option<u64>,
    pub longest_request_ns: Option<u64>,
    /// `None` if page faults were not recorded.
    pub faults: Option<Latencies>,
    pub moving_in_faults_ns: Option<u64>,
    /// Lost events.
    pub lost_events: u64,
    /// Whether the account is final, adds up, and has no loss.
    pub is_lossless: bool,
    /// Whether the funnel balances; `None` without marks.
    pub funnel_holds: Option<bool>,
    /// The hypervisor or emulator, if any.
    pub machine: Option<String>,
    /// Number of events used.
    pub events: u64,
    /// Sampling rate: one of N events was recorded.
    pub sample: Option<NonZeroU32>,
    /// The filter that was applied before measuring.
    pub filtered: Option<Filtered>,
}

/// The filter applied to a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filtered {
    /// The filter expression.
    pub filter: String,
    /// Events before filtering.
    pub of_events: u64,
}

impl Measure {
    /// Measures a recording with this name.
    #[must_use]
    pub fn new(run: &Run, name: &str) -> Self {
        let work = MoveRequests::new(run);
        let funnel = work.funnel(run);
        let marks_seen = run.attached(Probe::Mark) || run.attached(Probe::LazyBatch);
        let seen = funnel.as_ref().filter(|_| marks_seen);
        let has_requests = run.attached(Probe::Request);
        let has_faults = run.attached(Probe::Fault);
        let failed_in_faults = work.failed_in_fault_pages(run);
        let refused: u64 = funnel.iter().flat_map(|f| f.refused_pages.values()).sum();
        Self {
            name: name.into(),
            requests: has_requests.then_some(work.requests.len() as u64),
            is_lazy: work.requests.iter().any(|&i| matches!(&run.events[i].body, Body::Request(r) if r.is_lazy())),
            asked_pages: work.asked_pages(run).filter(|_| has_requests),
            moved_in_request_pages: work.moved_in_request_pages(run).filter(|_| has_requests),
            marked_pages: if funnel.is_some() { seen.map(|f| f.total_pages()) } else { has_requests.then_some(0) },
            moved_in_fault_pages: work.moved_in_fault_pages(run).filter(|_| has_requests && has_faults),
            placed_pages: seen.map(|f| f.placed_pages),
            failed_pages: add(work.failed_in_request_pages(run), failed_in_faults)
                .filter(|_| has_requests)
                .map(|n| n + refused),
            gone_pages: seen.map(|f| f.gone(Gone::SwappedOut) + f.gone(Gone::Unmapped)),
            untouched_pages: seen.map(Funnel::never_touched_pages),
            request_ns: has_requests.then(|| work.request_ns(run)),
            longest_request_ns: work.requests.iter().filter_map(|&i| run.events[i].latency_ns()).max(),
            faults: (has_requests && has_faults).then(|| work.fault_latency(run)),
            moving_in_faults_ns: work.moving_in_faults_ns(run).filter(|_| has_faults && !work.faults.is_empty()),
            lost_events: run.meta.lost().max(account::lost_by_events(&run.events)),
            is_lossless: run.meta.is_lossless(),
            funnel_holds: seen.filter(|f| !f.is_empty() && !f.is_estimated).map(|f| f.holds()),
            machine: run.meta.machine.clone(),
            events: run.events.len() as u64,
            sample: run.meta.sample,
            filtered: None,
        }
    }

    /// Pages migrated inside syscalls and inside faults.
    #[must_use]
    pub fn moved_pages(&self) -> Option<u64> {
        add(self.moved_in_request_pages, self.moved_in_fault_pages)
    }

    /// Time in page faults, ns.
    #[must_use]
    pub fn fault_ns(&self) -> Option<u64> {
        self.faults.as_ref().map(Latencies::total_ns)
    }

    /// Time inside the syscalls and in later faults, ns.
    #[must_use]
    pub fn total_ns(&self) -> Option<u64> {
        Some(self.request_ns? + self.fault_ns()?)
    }

    /// Longest single wait, ns.
    #[must_use]
    pub fn longest_wait_ns(&self) -> Option<u64> {
        self.longest_request_ns.max(self.faults.as_ref()?.max_ns())
    }
}

fn add(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    Some(a? + b?)
}
