//! The processes that a recording follows: their descendants at the start, and whether any of them still runs.

use std::{
    collections::{BTreeSet, HashMap},
    os::fd::OwnedFd,
    path::Path,
    thread::sleep,
    time::Duration,
};

use procfs::process::{Process, StatFlags, Task};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, pidfd_open},
};

use super::attach::traced::Traced;

/// How long a new child can be in /proc before the program at its fork has traced it. On a busy machine its parent waits
/// for a CPU meanwhile.
const FORK_TIME: Duration = Duration::from_millis(50);

/// The requested processes.
pub(super) struct Roots {
    pids: Vec<u32>,
    /// Those that have not exited. A descriptor names the process for good, also if its PID is reused.
    running: Vec<OwnedFd>,
}

impl Roots {
    /// A process that does not exist has exited.
    pub(super) fn open(pids: &[u32]) -> Self {
        let open = |pid: &u32| pidfd_open(Pid::from_raw(i32::try_from(*pid).ok()?)?, PidfdFlags::empty()).ok();
        Self { pids: pids.to_vec(), running: pids.iter().filter_map(open).collect() }
    }

    /// Whether all of them have exited, and all children that are traced with them.
    pub(super) fn have_exited(&mut self, traced: &Traced) -> bool {
        self.running.retain(is_running);
        // A program that the kernel did not run at an exit leaves its process in the map. /proc does not have it.
        self.running.is_empty() && !traced.pids().any(|pid| Path::new(&format!("/proc/{pid}")).exists())
    }

    /// Traces all descendants that exist. A child that a process forks before it is traced is found in the next round.
    pub(super) fn follow_descendants(&self, traced: &Traced) {
        loop {
            let mut found = descendants(&self.pids, &parents());
            found.retain(|pid| is_untraced(*pid, traced) && traced.add(*pid).is_ok());
            // The byte of a process that exited meanwhile would trace the next process with this PID.
            found.iter().filter(|pid| !runs(**pid)).for_each(|pid| traced.remove(*pid));
            if found.is_empty() {
                return;
            }
        }
    }

    /// Number of descendants that exist and are not traced, by process; only processes that have some.
    pub(super) fn untraced_descendants(&self, traced: &Traced) -> Vec<(u32, usize)> {
        let parents = parents();
        let untraced = |pid: &u32| -> Vec<u32> {
            let found = descendants(&[*pid], &parents);
            found.into_iter().filter(|pid| is_untraced(*pid, traced)).collect()
        };
        let mut found: Vec<(u32, Vec<u32>)> = self.pids.iter().map(|pid| (*pid, untraced(pid))).collect();
        if found.iter().any(|(_, untraced)| !untraced.is_empty()) {
            sleep(FORK_TIME);
        }
        found.iter_mut().for_each(|(_, untraced)| untraced.retain(|pid| is_untraced(*pid, traced)));
        found.retain(|(_, untraced)| !untraced.is_empty());
        found.into_iter().map(|(pid, untraced)| (pid, untraced.len())).collect()
    }
}

/// A pidfd becomes readable when its process has exited.
fn is_running(process: &OwnedFd) -> bool {
    let mut polled = [PollFd::new(process, PollFlags::IN)];
    !matches!(poll(&mut polled, Some(&Timespec::default())), Ok(1))
}

/// Whether a process runs and is not traced. Programs clear the byte of a traced process that exits.
fn is_untraced(pid: u32, traced: &Traced) -> bool {
    !traced.contains(pid) && runs(pid)
}

/// Whether a thread of a process is not exiting. The others are in /proc until their parent has waited for them.
fn runs(pid: u32) -> bool {
    let is_exiting = |thread: Task| Some(thread.stat().ok()?.flags & StatFlags::PF_EXITING.bits() != 0);
    let process = i32::try_from(pid).ok().and_then(|pid| Process::new(pid).ok());
    let threads = process.and_then(|process| process.tasks().ok()).into_iter().flatten().flatten();
    threads.filter_map(is_exiting).any(|exiting| !exiting)
}

/// The parent of each process.
fn parents() -> HashMap<u32, u32> {
    let processes = procfs::process::all_processes().into_iter().flatten().flatten();
    let stats = processes.filter_map(|process| process.stat().ok());
    stats.filter_map(|stat| Some((u32::try_from(stat.pid).ok()?, u32::try_from(stat.ppid).ok()?))).collect()
}

/// All processes below `roots`.
fn descendants(roots: &[u32], parents: &HashMap<u32, u32>) -> BTreeSet<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for (pid, parent) in parents {
        children.entry(*parent).or_default().push(*pid);
    }
    let (mut found, mut open) = (BTreeSet::new(), roots.to_vec());
    while let Some(pid) = open.pop() {
        let below = children.get(&pid).into_iter().flatten();
        open.extend(below.filter(|pid| found.insert(**pid)));
    }
    roots.iter().for_each(|root| {
        found.remove(root);
    });
    found
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn descendants_are_at_any_depth_and_without_the_roots() {
        let parents = HashMap::from([(1, 0), (2, 1), (3, 2), (4, 3), (5, 1), (6, 5)]);
        assert_eq!(descendants(&[2], &parents), BTreeSet::from([3, 4]));
        assert_eq!(descendants(&[2, 3], &parents), BTreeSet::from([4]));
        assert_eq!(descendants(&[6], &parents), BTreeSet::new());
    }

    #[test]
    fn a_process_runs_until_its_exit() {
        let mut child = Command::new("sleep").arg("600").spawn().expect("a process");
        let mut roots = Roots::open(&[child.id()]);
        assert!(is_running(&roots.running[0]));
        assert_eq!(parents().get(&child.id()), Some(&std::process::id()));
        assert!(runs(child.id()));
        child.kill().expect("ended");
        let began = std::time::Instant::now();
        while runs(child.id()) && began.elapsed().as_secs() < 60 {
            std::thread::yield_now();
        }
        assert!(!runs(child.id()), "it has exited, although its parent has not waited for it");
        child.wait().expect("waited");
        roots.running.retain(is_running);
        assert!(roots.running.is_empty());
        assert!(Roots::open(&[child.id()]).running.is_empty(), "it does not exist any more");
    }
}
