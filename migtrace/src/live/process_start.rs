//! Start times of processes. PID and start time identify a process, since PIDs are reused.
//!
//! For new processes the fork record has it. For older ones it is read from /proc, with a resolution of 10 ms.

use std::{
    collections::{HashMap, VecDeque},
    fs,
    mem::offset_of,
};

use migtrace_common::{
    kinds::{RecordKind, TaskEvent},
    record::{Header, Task},
};
use zerocopy::FromBytes;

/// Start times by PID.
#[derive(Default)]
pub struct Processes {
    /// `None`: unknown, and not looked up again.
    started_ns: HashMap<u32, Option<u64>>,
    /// The last lookup: most events come in runs of one process.
    last: Option<(u32, Option<u64>)>,
    /// Exited processes by exit time: PID and start time.
    ended: VecDeque<(u64, u32, Option<u64>)>,
}

/// How long an exited process is kept, ns: it still runs for a moment, may change node meanwhile, and /proc may show
/// another start time.
const LINGER_NS: u64 = 10_000_000_000;

impl Processes {
    /// All running processes. For later ones the fork record has the start time.
    #[must_use]
    pub fn running() -> Self {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        Self { started_ns: pids.map(|pid| (pid, look_up(pid))).collect(), ..Self::default() }
    }

    /// Start time of an event's process: CLOCK_BOOTTIME, ns.
    pub fn started_ns(&mut self, pid: u32) -> Option<u64> {
        if let Some((last, started_ns)) = self.last
            && last == pid
        {
            return started_ns;
        }
        // The fork was not seen: it happened while the probes were being attached.
        let started_ns = *self.started_ns.entry(pid).or_insert_with(|| look_up(pid));
        self.last = Some((pid, started_ns));
        started_ns
    }

    /// Drops all processes. If a filter can exclude exits, call it now and then. Otherwise the start time of an exited
    /// process stays with its PID. /proc is then read again, and has no entry for exited processes.
    pub fn forget(&mut self) {
        self.started_ns.clear();
        self.ended.clear();
        self.last = None;
    }

    /// Drops processes that exited long before `now_ns`, unless their PID was reused.
    fn forget_ended(&mut self, now_ns: u64) {
        while let Some((_, pid, started_ns)) = self.ended.pop_front_if(|(ended_ns, ..)| *ended_ns + LINGER_NS < now_ns)
        {
            if self.started_ns.get(&pid) == Some(&started_ns) {
                self.started_ns.remove(&pid);
            }
        }
    }

    /// Applies a fork, exec or exit, after its own event got its start time.
    pub fn learn(&mut self, record: &[u8]) {
        if record.get(offset_of!(Header, kind)) != Some(&RecordKind::TASK.0) {
            return;
        }
        let Ok((task, _)) = Task::read_from_prefix(record) else { return };
        match TaskEvent(task.what) {
            TaskEvent::FORK => {
                let started_ns = (task.child_start_ns != 0).then_some(task.child_start_ns);
                self.started_ns.insert(task.child_pid, started_ns);
            }
            TaskEvent::EXIT => {
                let pid = task.header.pid;
                self.ended.push_back((task.header.ts_ns, pid, self.started_ns.get(&pid).copied().flatten()));
            }
            _ => return,
        }
        self.forget_ended(task.header.ts_ns);
        self.last = None;
    }
}

/// Whether the PID still belongs to the process that started at this time, ns: /proc has a resolution of 10 ms.
#[must_use]
pub fn is_running(pid: u32, started_at_ns: u64) -> bool {
    look_up(pid).is_some_and(|ns| ns / TICK_NS == started_at_ns / TICK_NS)
}

/// Resolution of times in /proc, ns.
pub const TICK_NS: u64 = 10_000_000;

fn look_up(pid: u32) -> Option<u64> {
    started_ns(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Field 22 of /proc/PID/stat, in ticks of 10 ms (USER_HZ is 100 on x86). The task name before it may contain any
/// character.
pub(super) fn started_ns(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks: u64 = rest.split_ascii_whitespace().nth(19)?.parse().ok()?;
    Some(ticks * TICK_NS)
}

#[cfg(test)]
mod tests {
    use zerocopy::IntoBytes;

    use super::*;

    #[test]
    fn the_start_is_read_after_a_name_with_brackets() {
        let stat = "4711 (a) b) S 1 4711 4711 0 -1 4194304 93 0 0 0 0 0 0 0 20 0 1 0 12345 2289664 0";
        assert_eq!(started_ns(stat), Some(123_450_000_000));
        assert_eq!(started_ns("4711 (a"), None);
        assert!(look_up(std::process::id()).is_some_and(|ns| ns > 0));
    }

    #[test]
    fn a_number_that_is_used_again_is_another_process() {
        let record = |what: TaskEvent, ts_ns, pid, child_pid, child_start_ns| {
            let mut task = Task::read_from_bytes(&[0; size_of::<Task>()]).expect("zeroes");
            task.header.kind = RecordKind::TASK.0;
            task.header.ts_ns = ts_ns;
            (task.header.pid, task.what, task.child_pid, task.child_start_ns) =
                (pid, what.0, child_pid, child_start_ns);
            task.as_bytes().to_vec()
        };
        // Above the largest PID of Linux.
        let (parent, child) = (5_000_000, 5_000_001);
        let mut processes = Processes::default();
        processes.learn(&record(TaskEvent::FORK, 7, parent, child, 7));
        assert_eq!(processes.started_ns(child), Some(7));
        processes.learn(&record(TaskEvent::EXIT, 8, child, 0, 0));
        assert_eq!(processes.started_ns(child), Some(7), "it runs a little further");
        processes.learn(&record(TaskEvent::FORK, 9, parent, child, 9));
        assert_eq!(processes.started_ns(child), Some(9));
        processes.learn(&record(TaskEvent::FORK, LINGER_NS + 10, parent, child + 1, LINGER_NS + 10));
        assert_eq!(processes.started_ns(child), Some(9), "the one before has ended, not this one");
        processes.learn(&record(TaskEvent::EXIT, LINGER_NS + 11, child, 0, 0));
        processes.learn(&record(TaskEvent::FORK, 2 * LINGER_NS + 12, parent, child + 2, 2 * LINGER_NS + 12));
        assert_eq!(processes.started_ns(child), None);
        assert!(processes.ended.is_empty());
    }
}
