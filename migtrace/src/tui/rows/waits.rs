//! Latency: which processes waited for pages that were being migrated, and which threads migrated them.

use serde_json::{Value as Json, json};

use super::table::UNKNOWN;
use crate::{
    event::{FaultClass, ProcessId, escape_control},
    model::{
        live::{State, latencies::What},
        totals::migration_waits::{Migration, WaitCount, WaitPair},
    },
    text::{self, quantity},
};

/// The texts of one row: process that waited, thread that migrated, cause, waits, total time, longest time.
pub(crate) type Cells = [String; 6];

/// The titles of the columns.
pub(crate) const TITLES: [&str; 6] = ["WAITED", "FOR MIGRATIONS BY", "CAUSE", "WAITS", "TIME", "LONGEST"];

/// The rows, those with the longest total first.
pub(crate) struct Waits<'a> {
    state: &'a State,
    pairs: Vec<(&'a WaitPair, WaitCount)>,
}

impl<'a> Waits<'a> {
    pub(crate) fn of(state: &'a State) -> Self {
        Self { state, pairs: state.waits.longest() }
    }

    pub(crate) const fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Waits that are in no row: of pairs beyond the limit, or aggregated only.
    pub(crate) fn further(&self) -> u64 {
        let listed = self.pairs.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(count.faults));
        let counted = self.state.latencies.get(What::Fault(Some(FaultClass::MigrationWait)));
        counted.map_or(0, |times| times.count()).saturating_sub(listed)
    }

    pub(crate) fn cells(&self, row: usize) -> Cells {
        let (pair, count) = &self.pairs[row];
        let (by, cause) = pair.migration.as_ref().map_or_else(
            || (UNKNOWN.to_owned(), UNKNOWN.to_owned()),
            |Migration { cause, pid, comm }| (format!("{} {pid}", escape_control(comm)), cause.word().to_owned()),
        );
        let name = self.name(pair.waiter).unwrap_or_else(|| UNKNOWN.to_owned());
        let [total, longest] = [count.total_ns, count.max_ns].map(text::duration);
        [format!("{name} {}", pair.waiter.pid), by, cause, quantity::short_count(count.faults), total, longest]
    }

    /// All rows. docs/top.md lists the keys, which are a contract.
    pub(crate) fn json(&self) -> Json {
        let row = |(pair, count): &(&WaitPair, WaitCount)| {
            json!({
                "pid": pair.waiter.pid,
                "process_start_ns": pair.waiter.start_ns,
                "comm": self.name(pair.waiter),
                "migrated_by_pid": pair.migration.as_ref().map(|m| m.pid),
                "migrated_by_comm": pair.migration.as_ref().map(|m| escape_control(&m.comm)),
                "cause": pair.migration.as_ref().map(|m| m.cause.word()),
                "faults": count.faults,
                "total_ns": count.total_ns,
                "max_ns": count.max_ns,
            })
        };
        self.pairs.iter().map(row).collect()
    }

    /// `None` if the process was evicted.
    fn name(&self, id: ProcessId) -> Option<String> {
        self.state.processes.get(id).map(|process| escape_control(&process.comm.to_string()))
    }
}
