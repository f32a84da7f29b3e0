//! Pages left on the old node by a process whose task now runs on another node: an estimate, read from
//! /proc/PID/numa_maps shortly afterwards.
//!
//! Reading that file walks the page tables under mmap_lock, so it is limited in process size and frequency.

use std::{
    collections::HashMap,
    fs,
    time::{Duration, Instant},
};

use crate::event::{Body, Event, TaskEvent};

/// Least time between two reads of a process.
const PERIOD: Duration = Duration::from_secs(1);
/// Limit of resident pages of a process: 1 GiB.
const LARGEST_PAGES: u64 = 1 << 18;
/// Limit of processes kept.
const REMEMBERED: usize = 1 << 12;

/// The source, for the metadata of a trace.
pub const SOURCE: &str = "/proc/PID/numa_maps, read after the thread changed nodes";

/// The last read of each process.
#[derive(Debug, Default)]
pub struct StrandedPages {
    read: HashMap<u32, Instant>,
}

impl StrandedPages {
    /// Sets the stranded pages of a task event; other events are not changed.
    pub fn fill(&mut self, event: &mut Event) {
        if let Body::Task(task) = &mut event.body
            && task.what == TaskEvent::Moved
            && let Some(from) = task.from_node
        {
            task.pages = self.pages(event.pid, from);
        }
    }

    /// Pages of a process on a node; `None` if it cannot be read, is too large, or was read just now.
    fn pages(&mut self, pid: u32, nid: i32) -> Option<u64> {
        let now = Instant::now();
        if self.read.get(&pid).is_some_and(|last| now.duration_since(*last) < PERIOD) {
            return None;
        }
        if self.read.len() >= REMEMBERED {
            self.read.retain(|_, last| now.duration_since(*last) < PERIOD);
        }
        self.read.insert(pid, now);
        let resident = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
        let resident: u64 = resident.split_ascii_whitespace().nth(1)?.parse().ok()?;
        if resident > LARGEST_PAGES {
            return None;
        }
        let maps = fs::read_to_string(format!("/proc/{pid}/numa_maps")).ok()?;
        Some(pages_on(&maps, nid))
    }
}

/// 4 KiB pages on a node, from lines such as `7f.. default anon=8 N0=3 N1=5 kernelpagesize_kB=4`. The kernel counts a
/// hugetlbfs page as 1, a transparent huge page as 512.
fn pages_on(maps: &str, nid: i32) -> u64 {
    let node = format!("N{nid}=");
    let of_line = |line: &str| {
        let number =
            |key: &str| line.split_ascii_whitespace().find_map(|word| word.strip_prefix(key)?.parse::<u64>().ok());
        let kib = number("kernelpagesize_kB=").unwrap_or(4);
        number(&node).unwrap_or(0) * kib / 4
    };
    maps.lines().map(of_line).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_summed_by_node_in_pages_of_4_kib() {
        let maps = "55d0 default file=/bin/a mapped=3 N0=1 N1=2 kernelpagesize_kB=4\n\
                    7f00 bind:1 anon=5 dirty=5 active=0 N1=5 kernelpagesize_kB=4\n\
                    7f40 default file=/anon_hugepage huge anon=2 dirty=2 N1=1 N10=1 kernelpagesize_kB=2048\n\
                    7fff default stack\n";
        assert_eq!(pages_on(maps, 0), 1);
        assert_eq!(pages_on(maps, 1), 2 + 5 + 512);
        assert_eq!(pages_on(maps, 10), 512);
        assert_eq!(pages_on(maps, 2), 0);
    }

    #[test]
    fn a_process_is_not_read_again_at_once_and_a_missing_one_is_unknown() {
        let mut left = StrandedPages::default();
        let first = left.pages(std::process::id(), 0);
        // A kernel without NUMA has no such file.
        assert_eq!(first.is_some(), fs::exists("/proc/self/numa_maps").expect("/proc"));
        assert_eq!(left.pages(std::process::id(), 0), None);
        assert_eq!(left.pages(5_000_000, 0), None);
    }
}
