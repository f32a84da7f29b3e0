//! The totals of a trace, counted column by column without decoding events. Memory does not grow with the trace.
//!
//! This module owns the counting and both output formats. Relations between events (nesting, page histories) are the
//! model's, which needs the whole trace.

mod census;
mod codes;
mod count;
mod json;
mod measures;
mod nodes;
mod places;
mod process;
mod scans;
mod table;
mod tally;
mod text;
mod text_census;
mod text_cost;

#[cfg(test)]
mod tests;

use std::{
    num::NonZeroUsize,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use self::count::Counts;
use crate::{
    filter::Filter,
    model::census::Report,
    recording::{Meta, coverage},
    trace::{Error, Trace},
};

/// Processes that are listed by default.
pub const TOP_PROCESSES: usize = 10;

/// The columns that are read.
const COLUMNS: &[&str] = &[
    "ts_ns",
    "cpu_node",
    "pid",
    "tid",
    "comm",
    "cgroup_id",
    "kind",
    "class",
    "major",
    "nid",
    "latency_ns",
    "result",
    "order",
    "src_nid",
    "dst_nid",
    "verdict",
    "reason",
    "pages",
    "cause",
    "asked",
    "succeeded",
    "failed",
    "unmoved",
    "mode",
    "name",
    "ret",
    "what",
    "probe",
    "count",
    "process_start_ns",
    "weight",
    "len",
    "change",
    "cpus",
    "mem_bytes",
    "free_bytes",
    "tier",
    "numa_hit",
    "numa_miss",
    "numa_foreign",
    "interleave_hit",
    "local_node",
    "other_node",
    "owner_pid",
    "owner_start_ns",
    "owner_comm",
    "owner_cgroup_id",
    "wait_cause",
    "wait_pid",
    "wait_comm",
];

/// A trace's counts and metadata.
pub struct Summary {
    meta: Meta,
    truncated: bool,
    counts: Counts,
    filtered: Option<Filtered>,
    /// `None`: the trace has no census.
    census: Option<Report>,
}

/// What was filtered before counting.
struct Filtered {
    /// The filter as an expression.
    filter: String,
    /// Rows before filtering.
    of_rows: u64,
}

impl Summary {
    /// Counts a whole trace, on as many threads as there are CPUs.
    ///
    /// # Errors
    /// The trace is damaged, or cannot be read.
    pub fn of(trace: &Trace) -> Result<Self, Error> {
        Self::filtered(trace, &Filter::all())
    }

    /// Counts what a filter selects. Kinds of which it selects no event count as not recorded.
    ///
    /// # Errors
    /// As [`Summary::of`].
    pub fn filtered(trace: &Trace, filter: &Filter) -> Result<Self, Error> {
        let columns: Vec<&str> = COLUMNS.iter().copied().chain(filter.columns()).collect();
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(trace.group_count());
        let next = AtomicUsize::new(0);
        let counted = thread::scope(|scope| {
            let workers =
                (0..threads).map(|_| scope.spawn(|| count_groups(trace, filter, &columns, &next))).collect::<Vec<_>>();
            let join = |worker: thread::ScopedJoinHandle<'_, _>| worker.join().expect("counting does not panic");
            workers.into_iter().map(join).collect::<Vec<_>>()
        });
        let mut counts = Counts::new(trace.meta().recorded_version());
        for part in counted {
            counts.merge(part?);
        }
        let census = census::compare(trace, filter, std::mem::take(&mut counts.censuses))?;
        let mut meta = trace.meta().clone();
        coverage::exclude(&mut meta.probes, filter.kinds().complement());
        let filtered = Filtered { filter: filter.to_string(), of_rows: trace.event_count() };
        Ok(Self {
            meta,
            truncated: trace.truncated(),
            counts,
            filtered: (!filter.is_all()).then_some(filtered),
            census,
        })
    }

    /// Events that the rows represent, without rows of the recorder.
    #[must_use]
    pub fn events(&self) -> u64 {
        let kinds = self.counts.kinds.iter().filter(|(kind, _)| !kind.is_of_recorder());
        kinds.map(|(_, k)| k.events).fold(0, u64::saturating_add)
    }
}

/// Counts row groups until none remains.
fn count_groups(trace: &Trace, filter: &Filter, columns: &[&str], next: &AtomicUsize) -> Result<Counts, Error> {
    let mut counts = Counts::new(trace.meta().recorded_version());
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= trace.group_count() {
            return Ok(counts);
        }
        let counted = count_group(trace, number, filter, columns, &mut counts);
        if counted.is_err() {
            // The rest is not needed.
            next.store(trace.group_count(), Ordering::Relaxed);
        }
        counted?;
    }
}

fn count_group(
    trace: &Trace,
    number: usize,
    filter: &Filter,
    columns: &[&str],
    counts: &mut Counts,
) -> Result<(), Error> {
    let mut rows = trace.group_rows(number, columns)?;
    while let Some(batch) = rows.next().transpose()? {
        counts.add(&batch, filter).map_err(|(row, why)| rows.damaged(row, batch.rows(), why))?;
    }
    Ok(())
}
