//! What a recording came to, in numbers: counted over the trace's columns, without making events of its rows, in memory
//! that does not grow with the trace.
//!
//! This module owns the counting and both forms that the counts are printed in. Relations between events (what lies in
//! what, which page an address is) are the model's, whose views need the whole trace.

mod codes;
mod count;
mod json;
mod process;
mod text;
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
    event::Kind,
    trace::{Error, Trace, meta::Meta},
};

/// Processes that are listed unless more are asked for.
pub const TOP_PROCESSES: usize = 10;

/// Columns that are read.
const COLUMNS: &[&str] = &[
    "ts_ns",
    "cpu_node",
    "pid",
    "tid",
    "comm",
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
    "mode",
    "name",
    "ret",
    "what",
    "probe",
    "count",
    "process_start_ns",
    "weight",
];

/// A trace's counts, and what it says about itself.
pub struct Summary {
    meta: Meta,
    truncated: bool,
    counts: Counts,
}

impl Summary {
    /// Counts a trace, on as many threads as there are CPUs.
    ///
    /// # Errors
    /// The trace is damaged, or cannot be read.
    pub fn of(trace: &Trace) -> Result<Self, Error> {
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(trace.group_count());
        let next = AtomicUsize::new(0);
        let counted = thread::scope(|scope| {
            let workers = (0..threads).map(|_| scope.spawn(|| count_groups(trace, &next))).collect::<Vec<_>>();
            let join = |worker: thread::ScopedJoinHandle<'_, _>| worker.join().expect("counting does not panic");
            workers.into_iter().map(join).collect::<Vec<_>>()
        });
        let mut counts = Counts::default();
        for part in counted {
            counts.merge(part?);
        }
        Ok(Self { meta: trace.meta().clone(), truncated: trace.truncated(), counts })
    }

    /// Events that the trace's rows stand for, but for loss.
    #[must_use]
    pub fn events(&self) -> u64 {
        let kinds = self.counts.kinds.iter().filter(|(kind, _)| **kind != Kind::Loss);
        kinds.map(|(_, k)| k.events).fold(0, u64::saturating_add)
    }
}

/// Counts row groups until none is left.
fn count_groups(trace: &Trace, next: &AtomicUsize) -> Result<Counts, Error> {
    let mut counts = Counts::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= trace.group_count() {
            return Ok(counts);
        }
        let counted = count_group(trace, number, &mut counts);
        if counted.is_err() {
            // Nobody needs the rest.
            next.store(trace.group_count(), Ordering::Relaxed);
        }
        counted?;
    }
}

fn count_group(trace: &Trace, number: usize, counts: &mut Counts) -> Result<(), Error> {
    let mut rows = trace.group_rows(number, COLUMNS)?;
    while let Some(batch) = rows.next().transpose()? {
        counts.add(&batch).map_err(|(row, why)| rows.damaged(row, batch.rows(), why))?;
    }
    Ok(())
}
