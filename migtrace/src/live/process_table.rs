//! The details of processes with events, within limits. The reader's thread fills the table ([`super::process_details`]);
//! views and recordings copy it while tracing goes on.

use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{event::ProcessId, recording::ProcessDetails};

/// Limits of the table, which a reader of the trace holds in memory as well: processes and bytes of text.
const PROCESSES: usize = 1 << 14;
const BYTES: usize = 4 << 20;
/// Limit of processes that are looked at to find some that have exited.
const LOOKS: usize = 32;

/// A table that threads share.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared(Arc<Mutex<ProcessTable>>);

impl Shared {
    /// The table. A thread that panicked cannot have left it half changed in a way that matters: each process is whole.
    pub(super) fn lock(&self) -> MutexGuard<'_, ProcessTable> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All processes, if the table is not of this version any more.
    pub(super) fn changed(&self, version: &mut u64) -> Option<(Vec<ProcessDetails>, u64)> {
        let table = self.lock();
        (std::mem::replace(version, table.version) != table.version).then(|| table.all())
    }
}

/// Details by process.
#[derive(Debug, Default)]
pub(super) struct ProcessTable {
    by_id: BTreeMap<ProcessId, ProcessDetails>,
    /// The processes, the first taken first; those found running are put behind the others.
    order: VecDeque<ProcessId>,
    bytes: usize,
    evicted: u64,
    version: u64,
}

impl ProcessTable {
    /// Takes a process, or what it is now.
    pub(super) fn take(&mut self, process: ProcessId, details: ProcessDetails) {
        // After the exit nothing is read. What was read before remains.
        if !details.is_known() && self.by_id.contains_key(&process) {
            return;
        }
        self.version += 1;
        self.make_room(details.bytes(), usize::from(!self.by_id.contains_key(&process)));
        let earlier = self.by_id.get(&process).map(ProcessDetails::bytes);
        let bytes = self.bytes - earlier.unwrap_or(0) + details.bytes();
        if bytes > BYTES || (earlier.is_none() && self.by_id.len() >= PROCESSES) {
            self.evicted += 1;
            return;
        }
        self.bytes = bytes;
        if self.by_id.insert(process, details).is_none() {
            self.order.push_back(process);
        }
    }

    /// Evicts processes that have exited, those taken first first, until there is room.
    fn make_room(&mut self, bytes: usize, processes: usize) {
        for _ in 0..LOOKS {
            if self.bytes + bytes <= BYTES && self.by_id.len() + processes <= PROCESSES {
                return;
            }
            let Some(oldest) = self.order.pop_front() else { return };
            if Path::new(&format!("/proc/{}", oldest.pid)).exists() {
                self.order.push_back(oldest);
            } else if let Some(gone) = self.by_id.remove(&oldest) {
                self.bytes -= gone.bytes();
                self.evicted += 1;
            }
        }
    }

    /// All processes by PID, and how many were evicted.
    pub(super) fn all(&self) -> (Vec<ProcessDetails>, u64) {
        (self.by_id.values().cloned().collect(), self.evicted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(pid: u32, text: &str) -> ProcessDetails {
        ProcessDetails { pid, command_line: Some(vec![text.to_owned()]), ..ProcessDetails::default() }
    }

    fn id(pid: u32) -> ProcessId {
        ProcessId { pid, start_ns: None }
    }

    /// PIDs end at 2^22, so no process has these.
    const FREE: u32 = 1 << 23;

    /// The table of `top` was full after 16384 processes, and had no new ones from then on.
    #[test]
    fn exited_processes_make_room_for_new_ones_and_running_ones_stay() {
        let own = std::process::id();
        let mut table = ProcessTable::default();
        table.take(id(own), details(own, "own"));
        for n in 0..PROCESSES as u32 + 100 {
            table.take(id(FREE + n), details(FREE + n, "x"));
        }
        let (all, evicted) = table.all();
        assert_eq!((all.len(), evicted), (PROCESSES, 101));
        let has = |pid| all.iter().any(|details| details.pid == pid);
        assert!(has(own) && !has(FREE) && has(FREE + PROCESSES as u32 + 99));
    }

    #[test]
    fn text_is_bounded_and_what_was_evicted_counted() {
        let long = "9".repeat(4096);
        let mut table = ProcessTable::default();
        for n in 0..2000 {
            table.take(id(FREE + n), details(FREE + n, &long));
            // It executes another program, while it may be the first to go.
            table.take(id(FREE + n / 2), details(FREE + n / 2, &long));
        }
        assert!(table.bytes <= BYTES);
        let (all, evicted) = table.all();
        assert!(all.len() > 1000 && all.len() as u64 + evicted >= 2000);
        assert_eq!(all.iter().map(ProcessDetails::bytes).sum::<usize>(), table.bytes);
    }

    #[test]
    fn a_process_that_executes_again_takes_no_second_place() {
        let mut table = ProcessTable::default();
        for n in 0..10_000 {
            table.take(id(FREE), details(FREE, &n.to_string()));
        }
        assert_eq!((table.order.len(), table.bytes, table.all().1), (1, "9999".len() + 1, 0));
        let shared = Shared(Arc::new(Mutex::new(table)));
        let mut version = 0;
        assert!(shared.changed(&mut version).is_some_and(|(all, _)| all == [details(FREE, "9999")]));
        assert_eq!(shared.changed(&mut version), None, "nothing changed since");
    }
}
