//! The counts, and adding a batch of rows to them.
//!
//! A row of a sampled recording counts by its weight. Migrations are counted in pages, everything else in events.

use std::collections::BTreeMap;

use super::{
    codes::{Codes, need},
    nodes::Nodes,
    places::Places,
    process::{Process, Processes},
    scans::Scans,
    tally::{BatchCount, FaultCount, KindCount, MoveCount, RequestCount, Tally, WORDS},
};
use crate::{
    event::{Cause, FaultClass, Kind, Outcome, PlaceChange, ProcessId, RequestName, TaskEvent, Verdict},
    filter::{Filter, Row},
    model::{
        census::Windows,
        latency::Latencies,
        measure::{Locality, folio_pages},
        totals::migration_waits::{Migration, MigrationWaits, WaitPair},
    },
    trace::{BadRow, OWNERS_SINCE, RowBatch, node_of_row},
};

/// Causes and node pairs that are counted separately: 11 causes between 64 nodes.
const PAIRS: usize = 11 * 64 * 64;
/// Maximum order of a folio.
const MAX_ORDER: u32 = 63;

/// The counts.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) first_ns: Option<u64>,
    pub(super) last_ns: Option<u64>,
    pub(super) kinds: BTreeMap<Kind, KindCount>,
    /// Faults by class; `None`: only the CPU's exception was recorded.
    pub(super) faults: BTreeMap<Option<FaultClass>, FaultCount>,
    /// Faults by result.
    pub(super) fault_results: Tally,
    pub(super) moves: BTreeMap<Pair, MoveCount>,
    /// Pages of all pairs beyond [`PAIRS`].
    pub(super) other_moves: MoveCount,
    pub(super) move_times: BTreeMap<Cause, Latencies>,
    /// Pages by outcome, or by the reason for not marking them.
    pub(super) marks: Tally,
    /// Checks by verdict, or by the reason for skipping them.
    pub(super) checks: Tally,
    pub(super) requests: BTreeMap<RequestName, RequestCount>,
    pub(super) batches: BTreeMap<Cause, BTreeMap<String, BatchCount>>,
    pub(super) tasks: BTreeMap<TaskEvent, u64>,
    /// Lost events by probe and cause, from the loss rows.
    pub(super) lost: BTreeMap<String, Tally>,
    pub(super) processes: Processes,
    pub(super) nodes: Nodes,
    /// When processes were read for a census.
    pub(super) censuses: Windows,
    pub(super) places: Places,
    /// Faults that waited for migrations.
    pub(super) waits: MigrationWaits,
    pub(super) scans: Scans,
    /// Whether rows have owners of pages.
    has_owners: bool,
}

/// Cause, source node and destination node.
pub(super) type Pair = (Cause, i32, Option<i32>);

impl Counts {
    /// For rows of this version of the format.
    pub(super) fn new(format_version: u32) -> Self {
        Self { has_owners: format_version >= OWNERS_SINCE, ..Self::default() }
    }

    /// Counts the rows that a filter selects of a batch.
    ///
    /// # Errors
    /// An invalid row, by its number in the batch.
    pub(super) fn add(&mut self, batch: &RowBatch, filter: &Filter) -> Result<(), (usize, BadRow)> {
        let columns = Columns::of(batch);
        for row in (0..batch.rows()).filter(|row| filter.wants(&Row { batch, number: *row })) {
            self.add_row(&columns, row).map_err(|why| (row, why))?;
        }
        self.processes.end_batch(batch);
        Ok(())
    }

    fn add_row(&mut self, c: &Columns<'_>, row: usize) -> Result<(), BadRow> {
        let b = c.batch;
        let ts_ns = need(&b.ts_ns, row)?;
        self.first_ns = Some(self.first_ns.map_or(ts_ns, |first| first.min(ts_ns)));
        self.last_ns = self.last_ns.max(Some(ts_ns));
        let weight = b.weight.get(row).unwrap_or(1);
        let kind = c.kind.need(row)?;
        let count = self.kinds.entry(kind).or_default();
        count.rows += 1;
        count.events = count.events.saturating_add(weight);
        if kind == Kind::Loss {
            // Loss belongs to the recorder, not to a traced process.
            let probe = need(&b.probe, row)?;
            let probe = if self.lost.len() < WORDS || self.lost.contains_key(probe) { probe } else { "..." };
            let by_cause = self.lost.entry(probe.to_owned()).or_default();
            by_cause.add(need(&b.cause, row)?, need(&b.count, row)?);
            return Ok(());
        }
        if kind == Kind::Node {
            self.nodes.add(ts_ns, node_of_row(b, row)?);
            return Ok(());
        }
        if kind == Kind::Census {
            self.censuses.add(need(&b.pid, row)?, ts_ns.saturating_sub(need(&b.latency_ns, row)?), ts_ns);
            return Ok(());
        }
        let pid = need(&b.pid, row)?;
        let is_main = b.tid.get(row) == Some(pid);
        let id = ProcessId { pid, start_ns: b.process_start_ns.get(row) };
        let process = self.processes.of_row(id, row, is_main);
        process.enter(b.cgroup_id.get(row).unwrap_or(0));
        process.events = process.events.saturating_add(weight);
        match kind {
            Kind::Fault => {
                let class = c.class.get(row)?;
                match class {
                    Some(FaultClass::MigrationWait) => {
                        self.waits.add(wait_pair(id, c, row)?, b.latency_ns.get(row).unwrap_or(0), weight);
                    }
                    Some(FaultClass::Hinting) => self.scans.hint(id, b.latency_ns.get(row), weight),
                    _ => {}
                }
                add_fault(self.faults.entry(class).or_default(), process, b, row, weight);
                if let Some(result) = b.result.get(row) {
                    self.fault_results.add(result, weight);
                }
            }
            Kind::Migrate => {
                let pages = pages(b, row)?.saturating_mul(weight);
                let outcome = c.outcome.need(row)?;
                let owner = match b.owner_pid.get(row) {
                    Some(pid) => {
                        let id = ProcessId { pid, start_ns: b.owner_start_ns.get(row) };
                        Some(self.processes.owner(id, b, row))
                    }
                    // Formats before 5 have no owners: the pages count for the task that migrated them.
                    None => (!self.has_owners).then_some(process),
                };
                if let Some(owner) = owner.filter(|_| outcome == Outcome::Ok) {
                    owner.moved_pages = owner.moved_pages.saturating_add(pages);
                }
                if outcome == Outcome::Ok && c.cause.need(row)? == Cause::HintingFault {
                    self.scans.migrate(id, pages);
                }
                self.add_migrate(c, row, outcome, pages, weight)?;
            }
            Kind::Request => {
                let ns = need(&b.latency_ns, row)?;
                process.stalled_ns = process.stalled_ns.saturating_add(ns.saturating_mul(weight));
                let request = self.requests.entry(c.request.need(row)?).or_default();
                request.failed += if need(&b.ret, row)? < 0 { weight } else { 0 };
                request.times.record_many(ns, weight);
            }
            Kind::Batch => self.add_batch(c, row, weight)?,
            Kind::Mark => {
                let outcome = c.outcome.need(row)?;
                let pages = pages(b, row)?.saturating_mul(weight);
                self.marks.add(b.reason.get(row).unwrap_or(outcome.word()), pages);
            }
            Kind::Check => {
                let verdict = c.verdict.need(row)?;
                self.checks.add(b.reason.get(row).unwrap_or(verdict.word()), weight);
            }
            Kind::Task => {
                let what = c.task.need(row)?;
                *self.tasks.entry(what).or_default() += weight;
                if what == TaskEvent::Scanned {
                    self.scans.scan(id, need(&b.tid, row)?, b.latency_ns.get(row), weight);
                }
            }
            Kind::Place => {
                let key = (c.place.need(row)?, b.src_nid.get(row), b.dst_nid.get(row));
                self.places.add(key, need(&b.len, row)?);
            }
            Kind::Region | Kind::Phase | Kind::Node | Kind::Census | Kind::Loss => {}
        }
        Ok(())
    }

    fn add_migrate(
        &mut self,
        c: &Columns<'_>,
        row: usize,
        outcome: Outcome,
        pages: u64,
        weight: u64,
    ) -> Result<(), BadRow> {
        let b = c.batch;
        let cause = c.cause.need(row)?;
        let pair = (cause, need(&b.src_nid, row)?, b.dst_nid.get(row));
        let moves = if self.moves.len() < PAIRS || self.moves.contains_key(&pair) {
            self.moves.entry(pair).or_default()
        } else {
            &mut self.other_moves
        };
        match outcome {
            Outcome::Ok => {
                moves.moved_pages = moves.moved_pages.saturating_add(pages);
                moves.moved_folios = moves.moved_folios.saturating_add(weight);
                if let Some(ns) = b.latency_ns.get(row) {
                    self.move_times.entry(cause).or_default().record_many(ns, weight);
                }
            }
            Outcome::Failed => moves.failed_pages.add(b.reason.get(row).unwrap_or("failed"), pages),
        }
        Ok(())
    }

    fn add_batch(&mut self, c: &Columns<'_>, row: usize, weight: u64) -> Result<(), BadRow> {
        let b = c.batch;
        let modes = self.batches.entry(c.cause.need(row)?).or_default();
        let mode = need(&b.mode, row)?;
        let mode = if modes.len() < WORDS || modes.contains_key(mode) { mode } else { "..." };
        let batch = modes.entry(mode.to_owned()).or_default();
        match b.asked.get(row) {
            Some(pages) => batch.asked_pages = batch.asked_pages.saturating_add(pages.saturating_mul(weight)),
            None => batch.without_asked += weight,
        }
        let succeeded = need(&b.succeeded, row)?.saturating_mul(weight);
        batch.succeeded_pages = batch.succeeded_pages.saturating_add(succeeded);
        batch.failed_pages = batch.failed_pages.saturating_add(need(&b.failed, row)?.saturating_mul(weight));
        match b.unmoved.get(row) {
            Some(pages) => batch.unmoved_pages = batch.unmoved_pages.saturating_add(pages.saturating_mul(weight)),
            None => batch.without_unmoved += weight,
        }
        batch.times.record_many(need(&b.latency_ns, row)?, weight);
        Ok(())
    }

    /// Adds the counts of another part.
    pub(super) fn merge(&mut self, other: Self) {
        self.first_ns = [self.first_ns, other.first_ns].into_iter().flatten().min();
        self.last_ns = self.last_ns.max(other.last_ns);
        for (kind, count) in other.kinds {
            let own = self.kinds.entry(kind).or_default();
            own.rows += count.rows;
            own.events = own.events.saturating_add(count.events);
        }
        other.faults.into_iter().for_each(|(class, count)| self.faults.entry(class).or_default().merge(&count));
        self.fault_results.merge(other.fault_results);
        other.moves.into_iter().for_each(|(pair, count)| self.moves.entry(pair).or_default().merge(count));
        self.other_moves.merge(other.other_moves);
        other.move_times.iter().for_each(|(cause, times)| self.move_times.entry(*cause).or_default().merge(times));
        self.marks.merge(other.marks);
        self.checks.merge(other.checks);
        for (name, count) in other.requests {
            let own = self.requests.entry(name).or_default();
            own.failed += count.failed;
            own.times.merge(&count.times);
        }
        for (cause, modes) in other.batches {
            let own = self.batches.entry(cause).or_default();
            modes.into_iter().for_each(|(mode, count)| own.entry(mode).or_default().merge(&count));
        }
        other.tasks.into_iter().for_each(|(what, count)| *self.tasks.entry(what).or_default() += count);
        other.lost.into_iter().for_each(|(probe, tally)| self.lost.entry(probe).or_default().merge(tally));
        self.processes.merge(other.processes);
        self.nodes.merge(other.nodes);
        self.censuses.merge(other.censuses);
        self.places.merge(other.places);
        self.waits.merge(other.waits);
        self.scans.merge(other.scans);
    }
}

/// A fault that waited for a migration.
fn wait_pair(waiter: ProcessId, c: &Columns<'_>, row: usize) -> Result<WaitPair, BadRow> {
    let b = c.batch;
    let migration = match c.wait_cause.get(row)? {
        None => None,
        Some(cause) => {
            Some(Migration { cause, pid: need(&b.wait_pid, row)?, comm: need(&b.wait_comm, row)?.to_owned() })
        }
    };
    Ok(WaitPair { waiter, migration })
}

fn add_fault(fault: &mut FaultCount, process: &mut Process, b: &RowBatch, row: usize, weight: u64) {
    fault.faults += weight;
    if let Some(ns) = b.latency_ns.get(row) {
        fault.times.record_many(ns, weight);
        process.stalled_ns = process.stalled_ns.saturating_add(ns.saturating_mul(weight));
    }
    fault.major += if b.major.get(row) == Some(true) { weight } else { 0 };
    process.faults = process.faults.saturating_add(weight);
    match Locality::of(b.cpu_node.get(row), b.nid.get(row)) {
        Some(Locality::Local) => fault.local += weight,
        Some(Locality::Remote) => {
            fault.remote += weight;
            process.remote_faults = process.remote_faults.saturating_add(weight);
        }
        None => fault.unknown += weight,
    }
}

/// Pages of the folio.
fn pages(b: &RowBatch, row: usize) -> Result<u64, BadRow> {
    let order = need(&b.order, row)?;
    if order > MAX_ORDER {
        return Err(BadRow { column: "order", found: Some(order.to_string()) });
    }
    Ok(folio_pages(order))
}

/// A batch, with its words parsed.
struct Columns<'a> {
    batch: &'a RowBatch,
    kind: Codes<'a, Kind>,
    class: Codes<'a, FaultClass>,
    outcome: Codes<'a, Outcome>,
    cause: Codes<'a, Cause>,
    request: Codes<'a, RequestName>,
    verdict: Codes<'a, Verdict>,
    task: Codes<'a, TaskEvent>,
    place: Codes<'a, PlaceChange>,
    wait_cause: Codes<'a, Cause>,
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RowBatch) -> Self {
        Self {
            batch,
            kind: Codes::of(&batch.kind),
            class: Codes::of(&batch.class),
            outcome: Codes::of(&batch.result),
            cause: Codes::of(&batch.cause),
            request: Codes::of(&batch.name),
            verdict: Codes::of(&batch.verdict),
            task: Codes::of(&batch.what),
            place: Codes::of(&batch.what),
            wait_cause: Codes::of(&batch.wait_cause),
        }
    }
}
