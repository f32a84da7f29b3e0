//! Counts by process.

use std::collections::HashMap;

use crate::{event::ProcessId, trace::RowBatch};

/// Processes that are counted separately. More are counted together, so that memory is bounded for any trace.
const PROCESSES: usize = 1 << 18;
/// Slots of the cache of recent processes: neighbouring rows belong to few processes.
const RECENT: usize = 256;

/// One process.
#[derive(Clone, Debug, Default)]
pub(super) struct Process {
    pub(super) identity: ProcessId,
    /// The last name of its main thread, or of any thread if that one has no row.
    pub(super) comm: String,
    /// Whether `comm` is the main thread's, and the time of that row.
    named: (bool, u64),
    /// The cgroup of its last row that has one; 0 if none has.
    pub(super) cgroup_id: u64,
    pub(super) events: u64,
    pub(super) faults: u64,
    /// Faults on a page of another node than the CPU's.
    pub(super) remote_faults: u64,
    pub(super) moved_pages: u64,
    /// Time in page faults and placement syscalls, ns.
    pub(super) stalled_ns: u64,
}

impl Process {
    fn take(&mut self, other: Self) {
        self.events += other.events;
        self.faults += other.faults;
        self.remote_faults += other.remote_faults;
        self.moved_pages += other.moved_pages;
        self.stalled_ns = self.stalled_ns.saturating_add(other.stalled_ns);
        if other.named > self.named || self.comm.is_empty() {
            (self.comm, self.named) = (other.comm, other.named);
            self.enter(other.cgroup_id);
        } else if self.cgroup_id == 0 {
            self.enter(other.cgroup_id);
        }
    }

    /// Takes the cgroup of a later row, unless the row has none: 0 is unknown, as for a task that another one moved to a node.
    pub(super) const fn enter(&mut self, cgroup_id: u64) {
        if cgroup_id != 0 {
            self.cgroup_id = cgroup_id;
        }
    }
}

/// All processes.
pub(super) struct Processes {
    list: Vec<Process>,
    index: HashMap<ProcessId, usize>,
    recent: Box<[(ProcessId, usize); RECENT]>,
    /// All processes that did not fit into the list.
    pub(super) others: Process,
    /// By process in the list: its last row in this batch, preferably of the main thread.
    last_rows: Vec<Option<(bool, usize)>>,
    /// Processes with rows in this batch.
    touched: Vec<usize>,
}

impl Default for Processes {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            index: HashMap::new(),
            recent: Box::new([(ProcessId::default(), usize::MAX); RECENT]),
            others: Process::default(),
            last_rows: Vec::new(),
            touched: Vec::new(),
        }
    }
}

impl Processes {
    /// The process of row `row` of a batch, for counting.
    pub(super) fn of_row(&mut self, identity: ProcessId, row: usize, is_main: bool) -> &mut Process {
        let slot = identity.pid as usize % RECENT;
        let (known, mut at) = self.recent[slot];
        if known != identity || at == usize::MAX {
            let Some(found) = self.find(identity) else { return &mut self.others };
            at = found;
            self.recent[slot] = (identity, at);
        }
        let last = &mut self.last_rows[at];
        match last {
            None => {
                *last = Some((is_main, row));
                self.touched.push(at);
            }
            Some((true, _)) if !is_main => {}
            Some(last) => *last = (is_main, row),
        }
        &mut self.list[at]
    }

    /// The process that owns the page of a row. Its name and cgroup are those of the owner's columns until a row of its
    /// own tasks names it.
    pub(super) fn owner(&mut self, identity: ProcessId, batch: &RowBatch, row: usize) -> &mut Process {
        let Some(at) = self.find(identity) else { return &mut self.others };
        let process = &mut self.list[at];
        if process.comm.is_empty() {
            process.comm.push_str(batch.owner_comm.get(row).unwrap_or_default());
            process.cgroup_id = batch.owner_cgroup_id.get(row).unwrap_or(0);
        }
        process
    }

    /// Takes names from a counted batch.
    pub(super) fn end_batch(&mut self, batch: &RowBatch) {
        for at in self.touched.drain(..) {
            let Some((is_main, row)) = self.last_rows[at].take() else { continue };
            let named = (is_main, batch.ts_ns.get(row).unwrap_or(0));
            let process = &mut self.list[at];
            if named >= process.named || process.comm.is_empty() {
                process.named = named;
                process.comm.clear();
                process.comm.push_str(batch.comm.get(row).unwrap_or_default());
            }
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        for process in other.list {
            match self.find(process.identity) {
                Some(at) => self.list[at].take(process),
                None => self.others.take(process),
            }
        }
        self.others.take(other.others);
    }

    pub(super) fn list(&self) -> &[Process] {
        &self.list
    }

    /// The process's index in the list; `None` if the list is full.
    fn find(&mut self, identity: ProcessId) -> Option<usize> {
        if let Some(at) = self.index.get(&identity) {
            return Some(*at);
        }
        if self.list.len() == PROCESSES {
            return None;
        }
        self.list.push(Process { identity, ..Process::default() });
        self.last_rows.push(None);
        self.index.insert(identity, self.list.len() - 1);
        Some(self.list.len() - 1)
    }
}
