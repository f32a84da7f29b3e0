//! The metadata of a recording: kernel, machine, clock, probes, account.

use std::{collections::BTreeMap, num::NonZeroU32};

use serde::{Deserialize, Serialize};

use super::{
    account::ProbeAccount,
    coverage::{self, Coverage, ProbeInfo},
};
use crate::event::{Probe, ProbeField, ProbeName, ProcessId};

/// The key of [`Meta`], as JSON, in a file's metadata.
pub const META_KEY: &str = "migtrace";

/// The metadata of one recording.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    pub format_version: u32,
    /// The version in which it was recorded, if it was written anew in this one: what later versions added is unknown.
    #[serde(default)]
    pub converted_from: Option<u32>,
    /// Version of the migtrace that recorded.
    pub migtrace_version: String,
    /// `uname -r`.
    pub kernel_release: String,
    /// Whether that kernel has migrate-on-fault.
    pub kernel_patched: bool,
    pub hostname: String,
    /// Hypervisor or emulator of the machine (`tcg`, `kvm`); `None` on bare metal or if unknown. Timings of an emulated
    /// CPU are relative only.
    #[serde(default)]
    pub machine: Option<String>,
    pub topology: Topology,
    /// How each probe was attached.
    pub probes: Vec<ProbeInfo>,
    /// The traced command and its arguments, empty where none was started.
    pub command: Vec<String>,
    /// Exit status of that command, by shell convention (128 + signal).
    pub command_status: Option<i32>,
    /// CLOCK_BOOTTIME at the start of recording, ns.
    pub start_ns: u64,
    /// CLOCK_BOOTTIME at the end, ns; `None` in a recording that was cut off.
    pub end_ns: Option<u64>,
    /// CLOCK_REALTIME minus CLOCK_BOOTTIME, ns.
    pub wall_offset_ns: i64,
    /// By how much the wall clock was set during the recording, ns: from then on, `wall_offset_ns` is wrong by this. `None`:
    /// less than two seconds.
    #[serde(default)]
    pub wall_change_ns: Option<i64>,
    /// When the wall clock was set, and the offset from then on. Each file has its own.
    #[serde(default)]
    pub wall_steps: Vec<WallStep>,
    /// The account by probe; final only where `end_ns` is there.
    pub account: Vec<ProbeAccount>,
    /// What /proc/vmstat gained from start to end, system-wide, for the counters of migration and migrate-on-fault.
    pub vmstat_delta: BTreeMap<String, i64>,
    /// What the recording itself cost; `None` where nothing measured it.
    #[serde(default)]
    pub own_cost: Option<OwnCost>,
    /// The hierarchy of the events' cgroups: `cgroup v2`, or `cgroup v1 (memory)`. `None` if unknown.
    #[serde(default)]
    pub cgroup_hierarchy: Option<String>,
    /// Paths of the cgroups whose ids the events have, from the root of their hierarchy.
    #[serde(default)]
    pub cgroups: BTreeMap<u64, String>,
    /// Command lines, executables and parents of processes with events, by PID.
    #[serde(default)]
    pub processes: Vec<ProcessDetails>,
    /// Processes without room in `processes`.
    #[serde(default)]
    pub evicted_processes: u64,
    /// Events that stand behind later ones in the trace.
    #[serde(default)]
    pub late_events: u64,
    /// The filter as it was given; `None`: none was.
    #[serde(default)]
    pub filter: Option<String>,
    /// One event of so many was recorded; `None`: all were. An event's own weight says what it stands for.
    #[serde(default)]
    pub sample: Option<NonZeroU32>,
    /// Events that a flight recording had and let go, because they were older than what it keeps. They were not lost: the
    /// account has them as stored. `None`: the recording keeps all.
    #[serde(default)]
    pub evicted: Option<u64>,
    /// Which file this is, from 0 on, of a recording into several; `None`: of one. Only the last of them has an account.
    #[serde(default)]
    pub part: Option<u32>,
}

impl Meta {
    /// The version of the format in which the trace was recorded.
    #[must_use]
    pub fn recorded_version(&self) -> u32 {
        self.converted_from.unwrap_or(self.format_version)
    }

    /// The same in format `version`.
    #[must_use]
    pub fn in_version(self, version: u32) -> Self {
        let recorded = self.recorded_version();
        Self { format_version: version, converted_from: (recorded != version).then_some(recorded), ..self }
    }

    /// Events that probes saw and the trace does not hold.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.account.iter().map(ProbeAccount::lost).sum()
    }

    /// Coverage of a probe's events, or of one field of them. A recording that does not list its probes is taken to have had
    /// them all.
    #[must_use]
    pub fn coverage(&self, probe: impl Into<ProbeName>, field: impl Into<Option<ProbeField>>) -> Coverage {
        if self.probes.is_empty() {
            Coverage::Exact
        } else {
            coverage::coverage(&self.probes, &probe.into(), field.into())
        }
    }

    /// Coverage of what any of these probes shows: the best of them.
    #[must_use]
    pub fn best_coverage(&self, probes: &[Probe]) -> Coverage {
        coverage::best(probes.iter().map(|probe| self.coverage(*probe, None)))
    }

    /// What is known of a process, if it was recorded.
    #[must_use]
    pub fn process(&self, process: ProcessId) -> Option<&ProcessDetails> {
        self.processes.iter().find(|details| details.process() == process)
    }

    /// Whether the kernel called no programs for a time.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.probes.iter().any(|hook| hook.coverage() == Coverage::Estimated(coverage::Why::Interrupted))
    }

    /// Hooks whose events are not exact.
    pub fn inexact(&self) -> impl Iterator<Item = (&ProbeInfo, Coverage)> {
        self.probes.iter().map(|hook| (hook, hook.coverage())).filter(|(_, coverage)| *coverage != Coverage::Exact)
    }

    /// Whether the account is final and no event was lost.
    #[must_use]
    pub fn is_lossless(&self) -> bool {
        self.end_ns.is_some()
            && !self.account.is_empty()
            && self.account.iter().all(|account| account.missing() == 0)
            && self.lost() == 0
    }

    /// Times that the kernel did not run a probe's program, because it ran on that CPU already. How many events these would
    /// have been, if any, is in no count.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.account.iter().filter_map(|account| account.missed).sum()
    }
}

/// A moment at which the wall clock was set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WallStep {
    /// CLOCK_BOOTTIME, ns: at most a second after it was set.
    pub ts_ns: u64,
    /// CLOCK_REALTIME minus CLOCK_BOOTTIME from then on, ns.
    pub wall_offset_ns: i64,
}

/// What a process is beside its name of 15 bytes, when it was last seen. What is `None` was not readable any more, or was
/// not to be recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessDetails {
    pub pid: u32,
    /// CLOCK_BOOTTIME, ns, as its events have it.
    #[serde(default)]
    pub start_ns: Option<u64>,
    #[serde(default)]
    pub parent_pid: Option<u32>,
    /// Path of the executable in the root of the process; ends with ` (deleted)` if it was deleted.
    #[serde(default)]
    pub executable: Option<String>,
    /// The arguments, as the process shows them; cut after 4 KiB.
    #[serde(default)]
    pub command_line: Option<Vec<String>>,
}

impl ProcessDetails {
    /// The process, as its events name it.
    #[must_use]
    pub const fn process(&self) -> ProcessId {
        ProcessId { pid: self.pid, start_ns: self.start_ns }
    }

    /// Whether anything is known.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.parent_pid.is_some() || self.executable.is_some() || self.command_line.is_some()
    }

    /// Bytes of its text.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let words = self.command_line.iter().flatten().map(|word| word.len() + 1).sum::<usize>();
        words + self.executable.as_ref().map_or(0, String::len)
    }
}

/// What a recording cost the machine, as far as the kernel reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnCost {
    #[serde(default)]
    pub programs: Vec<ProgramCost>,
    /// CPU time of the threads that read the rings, ns.
    #[serde(default)]
    pub reader_cpu_ns: Option<u64>,
    /// CPU time of the threads that encode and write the trace, ns.
    #[serde(default)]
    pub writer_cpu_ns: Option<u64>,
    /// Largest resident size of the recorder, bytes.
    #[serde(default)]
    pub max_rss_bytes: Option<u64>,
}

/// What one BPF program cost: the kernel's statistics of it (kernel.bpf_stats_enabled).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramCost {
    pub name: String,
    /// Time in the program, ns, for all its runs.
    #[serde(default)]
    pub run_ns: Option<u64>,
    #[serde(default)]
    pub run_count: Option<u64>,
    /// Times that the kernel did not run it because it ran already.
    #[serde(default)]
    pub missed: Option<u64>,
}

/// The machine's nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Topology {
    pub nodes: Vec<Node>,
}

impl Topology {
    /// Adds what came online later: nodes, CPUs of a node, and memory. What went offline stays: events refer to it.
    pub fn add(&mut self, later: &Self) {
        let has = |topology: &Self, node: &Node| topology.nodes.iter().any(|other| other.nid == node.nid);
        let came = later.nodes.iter().any(|node| !has(self, node));
        let went = self.nodes.iter().any(|node| !has(later, node));
        for node in &later.nodes {
            match self.nodes.iter_mut().find(|known| known.nid == node.nid) {
                Some(known) => {
                    let new: Vec<_> = node.cpus.iter().copied().filter(|cpu| !known.cpus.contains(cpu)).collect();
                    known.cpus.extend(new);
                    known.cpus.sort_unstable();
                    known.mem_bytes = known.mem_bytes.max(node.mem_bytes);
                }
                None => self.nodes.push(node.clone()),
            }
        }
        self.nodes.sort_by_key(|node| node.nid);
        // Distances are to each node in the order of the list, so those of another list do not fit.
        for known in self.nodes.iter_mut().filter(|_| came) {
            let node = later.nodes.iter().find(|node| node.nid == known.nid && !went);
            known.distances = node.map(|node| node.distances.clone()).unwrap_or_default();
        }
    }
}

/// One NUMA node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Node {
    pub nid: i32,
    pub cpus: Vec<u32>,
    pub mem_bytes: u64,
    /// Distance to each node, in the order of `Topology::nodes`.
    pub distances: Vec<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_online_is_added_and_what_goes_offline_stays() {
        let node = |nid, cpus: &[u32], mem_bytes, distances: &[u32]| Node {
            nid,
            cpus: cpus.to_vec(),
            mem_bytes,
            distances: distances.to_vec(),
        };
        let mut topology = Topology { nodes: vec![node(0, &[0, 3], 7, &[10, 20]), node(3, &[], 5, &[20, 10])] };
        topology.add(&Topology {
            nodes: vec![
                node(0, &[0, 1], 4, &[10, 15, 20]),
                node(1, &[2], 9, &[15, 10, 20]),
                node(3, &[], 6, &[20, 20, 10]),
            ],
        });
        let nodes: Vec<_> = topology.nodes.iter().map(|n| (n.nid, n.cpus.clone(), n.mem_bytes)).collect();
        assert_eq!(nodes, [(0, vec![0, 1, 3], 7), (1, vec![2], 9), (3, vec![], 6)]);
        assert!(topology.nodes.iter().all(|node| node.distances.len() == 3));
        topology.add(&Topology { nodes: vec![node(0, &[0], 4, &[10, 20]), node(3, &[], 6, &[20, 10])] });
        assert_eq!((topology.nodes.len(), topology.nodes[0].distances.clone()), (3, vec![10, 15, 20]));
        topology.add(&Topology { nodes: vec![node(5, &[], 1, &[10])] });
        assert_eq!((topology.nodes.len(), topology.nodes[0].distances.len()), (4, 0), "no list has all of them");
    }
}
