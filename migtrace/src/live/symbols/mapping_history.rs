//! The mappings of processes over time, from events in any order of CPUs. Pure data: [`super::mappings`] reads the events.

use std::{
    collections::{HashMap, HashSet, VecDeque, hash_map::Entry},
    ops::Range,
    sync::Arc,
};

use super::object_file::MappedFile;

/// Limit of exited processes to keep.
const ENDED: usize = 1 << 12;
/// Limit of mappings of one process: JIT compilers map new code all the time.
const CHANGES: usize = 1 << 10;
/// Limit of files that are stored once each; beyond it they are stored again.
const FILES: usize = 1 << 14;
/// Limit of forks between the process that made a mapping and the one that inherited it.
const GENERATIONS: usize = 64;

/// The changes of each process's mappings, in order of time.
#[derive(Default)]
pub(super) struct MappingHistory {
    processes: HashMap<u32, Vec<Dated>>,
    /// Times at which they executed or were forked, in order.
    starts: HashMap<u32, Vec<u64>>,
    /// With the time, since the PID may be reused.
    ended: VecDeque<(u32, u64)>,
    files: HashSet<Arc<MappedFile>>,
}

struct Dated {
    at_ns: u64,
    change: MappingChange,
}

/// How a process started.
pub(super) enum Began {
    /// With only its program.
    Executed,
    /// With all mappings of this process.
    Forked(u32),
}

/// A change of a process's mappings.
pub(super) enum MappingChange {
    /// Started with the mappings of this process.
    Forked(u32),
    /// Started without earlier mappings.
    Executed,
    Mapped {
        addresses: Range<u64>,
        offset: u64,
        file: Option<Arc<MappedFile>>,
    },
}

impl MappingHistory {
    /// Adds a change, at its place in time.
    pub(super) fn push(&mut self, pid: u32, at_ns: u64, change: MappingChange) {
        if change.starts() {
            let starts = self.starts.entry(pid).or_default();
            if starts.len() == CHANGES {
                starts.remove(0);
            }
            starts.insert(starts.partition_point(|start_ns| *start_ns <= at_ns), at_ns);
        }
        let changes = self.processes.entry(pid).or_default();
        if changes.len() == CHANGES {
            changes.remove(0);
        }
        let place = changes.partition_point(|change| change.at_ns <= at_ns);
        changes.insert(place, Dated { at_ns, change });
    }

    /// Notes an exit: the PID may be reused.
    pub(super) fn end(&mut self, pid: u32, at_ns: u64) {
        if self.ended.len() == ENDED
            && let Some((oldest, until_ns)) = self.ended.pop_front()
        {
            forget(&mut self.processes, oldest, |change| change.at_ns > until_ns);
            forget(&mut self.starts, oldest, |start_ns| *start_ns > until_ns);
        }
        self.ended.push_back((pid, at_ns));
    }

    /// The program that a process ran at a time: its PID, and when it executed or was forked, 0 if that was not seen.
    pub(super) fn program(&self, pid: u32, at_ns: u64) -> (u32, u64) {
        let starts = self.starts.get(&pid).map_or(&[][..], Vec::as_slice);
        let before = starts.partition_point(|start_ns| *start_ns <= at_ns);
        (pid, before.checked_sub(1).map_or(0, |last| starts[last]))
    }

    /// The process that a program was forked from, and as which program, if it has not executed another since.
    pub(super) fn forked_from(&self, (pid, start_ns): (u32, u64)) -> Option<(u32, u64)> {
        let changes = self.processes.get(&pid)?;
        let forked = changes.iter().rev().find(|change| change.at_ns == start_ns && change.change.starts());
        match forked?.change {
            MappingChange::Forked(parent) => Some(self.program(parent, start_ns)),
            _ => None,
        }
    }

    /// The file mapped at an address at a time, and the offset in it.
    pub(super) fn find(&self, mut pid: u32, mut at_ns: u64, addr: u64) -> Option<(&Arc<MappedFile>, u64)> {
        for _ in 0..GENERATIONS {
            let changes = self.processes.get(&pid)?;
            let before = changes.partition_point(|change| change.at_ns <= at_ns);
            let decides = |change: &&Dated| match &change.change {
                MappingChange::Mapped { addresses, .. } => addresses.contains(&addr),
                MappingChange::Forked(_) | MappingChange::Executed => true,
            };
            let change = changes[..before].iter().rev().find(decides)?;
            match &change.change {
                MappingChange::Mapped { addresses, offset, file } => {
                    return Some((file.as_ref()?, addr - addresses.start + offset));
                }
                MappingChange::Executed => return None,
                MappingChange::Forked(parent) => (pid, at_ns) = (*parent, change.at_ns),
            }
        }
        None
    }

    /// How a process started, if that was reported.
    pub(super) fn began(&self, pid: u32) -> Option<Began> {
        self.processes.get(&pid)?.iter().find_map(|change| match change.change {
            MappingChange::Executed => Some(Began::Executed),
            MappingChange::Forked(parent) => Some(Began::Forked(parent)),
            MappingChange::Mapped { .. } => None,
        })
    }

    /// Whether a process still has the mappings it had at a time, apart from newer ones.
    pub(super) fn is_current(&self, pid: u32, at_ns: u64) -> bool {
        let ends = |change: &Dated| change.at_ns > at_ns && change.change.starts();
        !self.processes.get(&pid).is_some_and(|changes| changes.iter().any(ends))
            && !self.ended.iter().any(|&(ended, ended_ns)| ended == pid && ended_ns >= at_ns)
    }

    /// The file, shared with the other mappings of it.
    pub(super) fn once(&mut self, file: MappedFile) -> Arc<MappedFile> {
        if let Some(known) = self.files.get(&file) {
            return Arc::clone(known);
        }
        if self.files.len() == FILES {
            self.files.clear();
        }
        let file = Arc::new(file);
        self.files.insert(Arc::clone(&file));
        file
    }
}

impl MappingChange {
    /// Whether it replaces all mappings.
    const fn starts(&self) -> bool {
        matches!(self, Self::Forked(_) | Self::Executed)
    }
}

/// Keeps only such items of a process.
fn forget<T>(of: &mut HashMap<u32, Vec<T>>, pid: u32, keep: impl FnMut(&T) -> bool) {
    if let Entry::Occupied(mut items) = of.entry(pid) {
        items.get_mut().retain(keep);
        if items.get().is_empty() {
            items.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::object_file::Identity, *};

    const CODE: u64 = 0x40_0000;
    const PAGE: u64 = 0x1000;

    /// Maps a page of a file's second page at [`CODE`].
    fn map(history: &mut MappingHistory, pid: u32, at_ns: u64, path: &str) {
        let file = MappedFile { path: path.into(), identity: Identity::BuildId([1].into()) };
        history.push(
            pid,
            at_ns,
            MappingChange::Mapped { addresses: CODE..CODE + PAGE, offset: PAGE, file: Some(Arc::new(file)) },
        );
    }

    fn found(history: &MappingHistory, pid: u32, at_ns: u64) -> Option<&str> {
        let (file, offset) = history.find(pid, at_ns, CODE + 8)?;
        assert_eq!(offset, PAGE + 8);
        file.path.to_str()
    }

    #[test]
    fn a_lookup_finds_the_mapping_of_that_time() {
        let mut history = MappingHistory::default();
        map(&mut history, 1, 10, "/bin/sh");
        history.push(1, 20, MappingChange::Executed);
        map(&mut history, 1, 30, "/bin/dd");
        map(&mut history, 1, 40, "/lib/later.so");
        history.end(1, 50);
        let at = [5, 10, 20, 35, 40, u64::MAX].map(|at_ns| found(&history, 1, at_ns));
        let (sh, dd, later) = (Some("/bin/sh"), Some("/bin/dd"), Some("/lib/later.so"));
        assert_eq!(at, [None, sh, None, dd, later, later]);
        assert_eq!(history.find(1, 40, CODE + PAGE), None);
        assert_eq!(found(&history, 2, 40), None);
    }

    #[test]
    fn a_fork_inherits_the_mappings_of_that_time() {
        let mut history = MappingHistory::default();
        map(&mut history, 1, 10, "/bin/sh");
        history.push(2, 20, MappingChange::Forked(1));
        history.push(3, 25, MappingChange::Forked(2));
        map(&mut history, 1, 30, "/lib/later.so");
        assert_eq!(found(&history, 3, 50), Some("/bin/sh"));
        history.push(3, 60, MappingChange::Executed);
        assert_eq!(found(&history, 3, 70), None);
    }

    #[test]
    fn a_program_begins_with_its_fork_or_exec() {
        let mut history = MappingHistory::default();
        map(&mut history, 1, 10, "/bin/sh");
        history.push(2, 20, MappingChange::Forked(1));
        history.push(2, 40, MappingChange::Executed);
        history.push(1, 30, MappingChange::Executed);
        assert_eq!([5, 35].map(|at_ns| history.program(1, at_ns)), [(1, 0), (1, 30)]);
        assert_eq!([20, 45].map(|at_ns| history.program(2, at_ns)), [(2, 20), (2, 40)]);
        assert_eq!([(2, 20), (2, 40), (1, 0)].map(|program| history.forked_from(program)), [Some((1, 0)), None, None]);
    }

    #[test]
    fn a_process_is_current_until_it_exits_or_executes() {
        let mut history = MappingHistory::default();
        map(&mut history, 1, 10, "/bin/sh");
        assert!(history.is_current(1, 15) && history.is_current(2, 15));
        history.push(1, 20, MappingChange::Executed);
        map(&mut history, 1, 30, "/bin/dd");
        assert!(!history.is_current(1, 15) && history.is_current(1, 25));
        history.end(1, 40);
        assert!(!history.is_current(1, 25));
        // Another process with this PID.
        history.push(1, 50, MappingChange::Forked(7));
        assert!(!history.is_current(1, 25) && history.is_current(1, 55));
    }

    #[test]
    fn events_may_come_in_any_order_of_cpus() {
        let mut history = MappingHistory::default();
        map(&mut history, 2, 30, "/bin/dd");
        history.push(2, 20, MappingChange::Executed);
        history.push(2, 15, MappingChange::Forked(1));
        map(&mut history, 1, 10, "/bin/sh");
        assert_eq!([17, 35].map(|at_ns| found(&history, 2, at_ns)), [Some("/bin/sh"), Some("/bin/dd")]);
    }

    #[test]
    fn an_anonymous_mapping_hides_the_earlier_file() {
        let mut history = MappingHistory::default();
        map(&mut history, 1, 10, "/lib/closed.so");
        history.push(1, 20, MappingChange::Mapped { addresses: CODE..CODE + 2 * PAGE, offset: 0, file: None });
        assert_eq!(found(&history, 1, 30), None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut history = MappingHistory::default();
        for number in 0..2 * CHANGES as u64 {
            map(&mut history, 1, number, "/lib/jit.so");
        }
        assert_eq!(history.processes[&1].len(), CHANGES);
        let mut history = MappingHistory::default();
        for pid in 0..2 * ENDED as u32 {
            map(&mut history, pid, 0, "/bin/true");
            history.end(pid, 10);
            if pid == 5 {
                map(&mut history, pid, 20, "/bin/with-the-same-number");
            }
        }
        assert_eq!((history.processes.len(), history.ended.len()), (ENDED + 1, ENDED));
        assert!(history.starts.is_empty());
        assert_eq!((found(&history, 5, 15), found(&history, 5, 25)), (None, Some("/bin/with-the-same-number")));
    }
}
