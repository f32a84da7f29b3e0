//! Command lines, executables and parents of processes, from /proc while they run. What cannot be read any more is unknown.
//!
//! A command line can hold secrets, so it is only read if the recording is to have it.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::Read as _,
};

use migtrace_common::{
    kinds::{RecordKind, TaskEvent},
    record::{Header, Task},
};
use zerocopy::FromBytes;

use super::{process_start, process_table::Shared};
use crate::{event::ProcessId, recording::ProcessDetails};

/// Limit of a command line, bytes; a longer one is cut.
const COMMAND_LINE: usize = 4096;
/// Limit of processes whose details wait for the first event; beyond it all are read again.
const READ: usize = 1 << 14;

/// Reads the details of the processes with events, for the table.
#[derive(Default)]
pub struct DetailsReader {
    command_lines: bool,
    /// What was read last, by PID.
    read: HashMap<u32, Read>,
    /// The last record's process and name: most records come in runs of one process.
    last: Option<(u32, [u8; 16])>,
    table: Shared,
}

struct Read {
    comm: [u8; 16],
    /// Start by /proc, with a resolution of 10 ms.
    start_ns: Option<u64>,
    details: ProcessDetails,
    /// Not in the table yet.
    is_new: bool,
}

impl DetailsReader {
    /// With command lines, or without.
    pub(super) fn new(command_lines: bool, table: Shared) -> Self {
        Self { command_lines, table, ..Self::default() }
    }

    /// Reads the details of a record's process, if it is new or runs another program. Call it as soon as the record is
    /// read: the process may exit.
    pub(super) fn see(&mut self, record: &[u8]) {
        let Ok((header, _)) = Header::read_from_prefix(record) else { return };
        let task = if header.kind == RecordKind::TASK.0 { Task::read_from_prefix(record).ok() } else { None };
        let task = task.map(|(task, _)| task);
        if let Some(task) = &task
            && TaskEvent(task.what) == TaskEvent::FORK
        {
            // The PID may be of an earlier process.
            self.read.remove(&task.child_pid);
        }
        let executes = task.is_some_and(|task| TaskEvent(task.what) == TaskEvent::EXEC);
        let now = (header.pid, header.comm);
        if !executes && (self.last == Some(now) || header.pid == 0) {
            return;
        }
        self.last = Some(now);
        // Other threads have names of their own. A main thread's name changes with its program.
        let is_main = header.pid == header.tid;
        let is_known = |read: &Read| !executes && (!is_main || read.comm == header.comm);
        if self.read.get(&header.pid).is_some_and(is_known) {
            return;
        }
        if self.read.len() >= READ {
            self.read.clear();
        }
        let (start_ns, details) = read(header.pid, self.command_lines);
        self.read.insert(header.pid, Read { comm: header.comm, start_ns, details, is_new: true });
    }

    /// Adds the process of an event.
    pub(super) fn take(&mut self, process: ProcessId) {
        let Some(read) = self.read.get_mut(&process.pid).filter(|read| read.is_new) else { return };
        let same = |(a, b): (u64, u64)| a.abs_diff(b) < 2 * process_start::TICK_NS;
        // It exited, and its PID is of another process already.
        if read.start_ns.zip(process.start_ns).is_some_and(|starts| !same(starts)) {
            return;
        }
        read.is_new = false;
        let details = ProcessDetails { pid: process.pid, start_ns: process.start_ns, ..read.details.clone() };
        self.table.lock().take(process, details);
    }

    /// All processes so far, and how many were evicted.
    pub(super) fn all(&self) -> (Vec<ProcessDetails>, u64) {
        self.table.lock().all()
    }
}

/// The start time and the details of a process now.
fn read(pid: u32, command_lines: bool) -> (Option<u64>, ProcessDetails) {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    let start_ns = stat.as_deref().and_then(process_start::started_ns);
    let details = ProcessDetails {
        pid,
        start_ns: None,
        parent_pid: stat.as_deref().and_then(parent_pid),
        executable: fs::read_link(format!("/proc/{pid}/exe")).ok().map(|path| path.to_string_lossy().into_owned()),
        command_line: if command_lines { command_line(pid) } else { None },
    };
    (start_ns, details)
}

/// Field 4 of /proc/PID/stat. The task name before it may contain any character.
fn parent_pid(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The arguments. `None` if the process has none, as kernel threads and exiting processes.
fn command_line(pid: u32) -> Option<Vec<String>> {
    let mut bytes = Vec::new();
    File::open(format!("/proc/{pid}/cmdline")).ok()?.take(COMMAND_LINE as u64).read_to_end(&mut bytes).ok()?;
    // setproctitle() overwrites the arguments by one text, padded by zeroes.
    let end = bytes.iter().rposition(|byte| *byte != 0)? + 1;
    Some(bytes[..end].split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use zerocopy::IntoBytes as _;

    use super::*;

    fn record(pid: u32, comm: &str, what: Option<TaskEvent>, child_pid: u32) -> Vec<u8> {
        let mut task = Task::read_from_bytes(&[0; size_of::<Task>()]).expect("zeroes");
        (task.header.pid, task.header.tid, task.child_pid) = (pid, pid, child_pid);
        task.header.comm[..comm.len()].copy_from_slice(comm.as_bytes());
        if let Some(what) = what {
            (task.header.kind, task.what) = (RecordKind::TASK.0, what.0);
        }
        task.as_bytes().to_vec()
    }

    fn id(pid: u32) -> ProcessId {
        ProcessId { pid, start_ns: None }
    }

    /// A process that sleeps, with this argument.
    fn sleeper(arg: &str) -> std::process::Child {
        let child = Command::new("sleep").arg(arg).stdin(Stdio::null()).spawn().unwrap();
        // Until then it has the command line of this test.
        while !fs::read(format!("/proc/{}/cmdline", child.id())).unwrap().starts_with(b"sleep") {
            std::thread::yield_now();
        }
        child
    }

    fn finish(table: &DetailsReader) -> ProcessDetails {
        let (mut processes, evicted) = table.all();
        assert_eq!((processes.len(), evicted), (1, 0), "{processes:?}");
        processes.remove(0)
    }

    #[test]
    fn a_process_has_its_command_line_executable_and_parent_also_after_its_exit() {
        let mut child = sleeper("600");
        let pid = child.id();
        let (mut table, mut without) =
            (DetailsReader::new(true, Shared::default()), DetailsReader::new(false, Shared::default()));
        table.see(&record(pid, "sleep", None, 0));
        without.see(&record(pid, "sleep", None, 0));
        child.kill().unwrap();
        child.wait().unwrap();
        // Its main thread gets another name, but there is nothing to read any more.
        table.take(id(pid));
        table.see(&record(pid, "renamed", Some(TaskEvent::EXIT), 0));
        table.take(id(pid));
        without.take(id(pid));
        let (process, without) = (finish(&table), finish(&without));
        assert_eq!(process.parent_pid, Some(std::process::id()));
        assert!(process.executable.as_deref().is_some_and(|path| path.starts_with('/')), "{process:?}");
        assert_eq!(process.command_line, Some(vec!["sleep".to_owned(), "600".to_owned()]));
        assert_eq!((without.executable, without.command_line), (process.executable, None));
    }

    #[test]
    fn an_executed_program_replaces_the_one_before() {
        let mut child = sleeper("600");
        let mut table = DetailsReader::new(true, Shared::default());
        table.read.insert(
            child.id(),
            Read {
                comm: *b"sh\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
                start_ns: None,
                details: ProcessDetails::default(),
                is_new: true,
            },
        );
        table.take(id(child.id()));
        table.see(&record(child.id(), "sh", Some(TaskEvent::EXEC), 0));
        table.take(id(child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(finish(&table).command_line.map(|words| words.join(" ")).as_deref(), Some("sleep 600"));
    }

    #[test]
    fn what_exited_too_early_is_unknown_and_not_of_the_next_process_with_its_pid() {
        let own = std::process::id();
        let mut table = DetailsReader::new(true, Shared::default());
        table.see(&record(u32::MAX, "gone", None, 0));
        table.take(id(u32::MAX));
        // The events are of a process that started long before.
        table.see(&record(own, "earlier", None, 0));
        table.take(ProcessId { pid: own, start_ns: Some(1) });
        let unknown = finish(&table);
        assert_eq!((unknown.pid, unknown.is_known()), (u32::MAX, false));
    }

    #[test]
    fn a_command_line_is_cut() {
        let long = "9".repeat(COMMAND_LINE);
        let mut child = Command::new("sh").args(["-c", "read line", &long]).stdin(Stdio::piped()).spawn().unwrap();
        let words = loop {
            if let Some(words) = command_line(child.id())
                && words[0] == "sh"
            {
                break words;
            }
        };
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(words.iter().map(|word| word.len() + 1).sum::<usize>() - 1, COMMAND_LINE);
    }

    #[test]
    fn a_parent_is_read_after_a_name_with_brackets() {
        assert_eq!(parent_pid("4711 (a) b) S 17 4711"), Some(17));
    }
}
