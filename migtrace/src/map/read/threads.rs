//! The nodes of the CPUs on which the threads of a process ran last.

use std::{collections::BTreeMap, fs, io};

use procfs::{FromRead, process::Stat};

use crate::live::host::topology::NodesOfCpus;

/// A process by its own stat file.
pub(crate) struct Process {
    pub(crate) comm: String,
    /// In ticks of 10 ms since boot.
    pub(crate) start_ticks: u64,
    pub(crate) state: char,
    pub(crate) resident_pages: u64,
}

/// Reads /proc/PID/stat.
pub(crate) fn process(pid: u32) -> io::Result<Process> {
    let stat = stat(&format!("/proc/{pid}/stat"))?;
    Ok(Process { comm: stat.comm, start_ticks: stat.starttime, state: stat.state, resident_pages: stat.rss })
}

/// Threads by node. A thread that exits meanwhile, and one on a CPU without a known node, is not counted.
pub(crate) fn by_node(pid: u32) -> BTreeMap<i32, u64> {
    let nodes: BTreeMap<u32, i32> = NodesOfCpus::read().iter().collect();
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let mut threads = BTreeMap::new();
    for task in tasks {
        let stat = stat(&task.path().join("stat").to_string_lossy());
        let cpu = stat.ok().and_then(|stat| u32::try_from(stat.processor?).ok());
        if let Some(nid) = cpu.and_then(|cpu| nodes.get(&cpu)).filter(|nid| **nid >= 0) {
            *threads.entry(*nid).or_default() += 1;
        }
    }
    threads
}

fn stat(path: &str) -> io::Result<Stat> {
    let text = fs::read(path)?;
    Stat::from_read(&text[..]).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_threads_on_nodes() {
        let process = process(std::process::id()).expect("this process");
        assert!(process.resident_pages > 0 && process.start_ticks > 0, "{}", process.comm);
        // A kernel without NUMA has no nodes.
        let nodes = NodesOfCpus::read().iter().any(|(_, nid)| nid >= 0);
        assert_eq!(by_node(std::process::id()).values().sum::<u64>() > 0, nodes);
    }
}
