//! What a trace says about itself: kernel, machine, probes, clock, and the account of every event seen.

use std::{collections::BTreeMap, num::NonZeroU32};

use serde::{Deserialize, Serialize};

/// The key of [`Meta`], as JSON, in a file's metadata.
pub(crate) const META_KEY: &str = "migtrace";

/// The metadata of one recording.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    pub format_version: u32,
    /// Version of the migtrace that recorded.
    pub migtrace_version: String,
    /// `uname -r`.
    pub kernel_release: String,
    /// Whether that kernel has migrate-on-fault.
    pub kernel_patched: bool,
    pub hostname: String,
    /// What emulates or virtualises this machine (`tcg`, `kvm`), `None` on bare metal or where it is not known. Times from
    /// an emulated machine rank, they do not measure.
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
    /// The account by probe; final only where `end_ns` is there.
    pub account: Vec<ProbeAccount>,
    /// What /proc/vmstat gained from start to end, system-wide, for the counters of migration and migrate-on-fault.
    pub vmstat_delta: BTreeMap<String, i64>,
    /// What the recording itself cost; `None` where nothing measured it.
    #[serde(default)]
    pub own_cost: Option<OwnCost>,
    /// Paths of the cgroups whose ids the events have, below the root of cgroup v2.
    #[serde(default)]
    pub cgroups: BTreeMap<u64, String>,
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
    /// Events that probes saw and the trace does not hold.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.account.iter().map(ProbeAccount::lost).sum()
    }

    /// Times that the kernel did not run a probe's program, because it ran on that CPU already. How many events these would
    /// have been, if any, is in no count.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.account.iter().filter_map(|account| account.missed).sum()
    }
}

/// What a recording cost the machine, as far as the kernel told.
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

/// One NUMA node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Node {
    pub nid: i32,
    pub cpus: Vec<u32>,
    pub mem_bytes: u64,
    /// Distance to each node, in the order of `Topology::nodes`.
    pub distances: Vec<u32>,
}

/// One hook of a probe of this recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeInfo {
    /// Name from the catalog, as in [`ProbeAccount::probe`].
    pub probe: String,
    /// The field of the probe's events that comes from this hook; `None`: the events themselves.
    #[serde(default)]
    pub field: Option<String>,
    /// How it is attached: `tracepoint mof:mof_check`, `fentry handle_mm_fault`.
    pub attached: Option<String>,
    /// Why it is not attached; of one that is, why better ways were refused.
    pub error: Option<String>,
    /// `exact`, `estimated` or `unavailable`.
    pub fidelity: String,
}

/// One probe's account: `seen = stored + sum(lost)`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeAccount {
    pub probe: String,
    /// Events that passed the filter.
    pub seen: u64,
    /// Events that the trace holds.
    pub stored: u64,
    /// Events lost, by cause: `ring_full`, `no_start`, `undecodable`, ...
    pub lost: BTreeMap<String, u64>,
    /// Events that the filter left out.
    pub filtered: u64,
    /// Events that passed the filter and are not in the sample.
    #[serde(default)]
    pub sampled_out: u64,
    /// Times that the kernel did not run the probe's programs because one was running on that CPU, so that they saw
    /// nothing; `None` where it does not say.
    #[serde(default)]
    pub missed: Option<u64>,
}

impl ProbeAccount {
    /// Events lost, for all causes.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.values().sum()
    }
}
pub mod coverage;
pub mod describe;
