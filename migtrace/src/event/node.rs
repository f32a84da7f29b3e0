//! Nodes of the machine as they are at one moment.

use super::words::words;

/// A node, as read about once a second. `None`: the kernel does not show it, or the node is offline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    pub nid: i32,
    /// What is not as at the last reading, besides counters and free memory.
    pub change: Option<NodeChange>,
    /// Its CPUs that are online, as the kernel prints them: `0-3,8`; empty for none.
    pub cpus: Option<String>,
    /// Memory, bytes; 0: none.
    pub mem_bytes: Option<u64>,
    pub free_bytes: Option<u64>,
    /// Memory tier: a lower one is faster.
    pub tier: Option<u32>,
    pub pages: NumaPages,
}

/// The kernel's counts of allocated pages since boot (numastat).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NumaPages {
    /// Meant for this node, and allocated on it.
    pub hit: Option<u64>,
    /// Meant for another node, and allocated on this one.
    pub miss: Option<u64>,
    /// Meant for this node, and allocated on another.
    pub foreign: Option<u64>,
    /// Meant for this node by interleaving, and allocated on it.
    pub interleave_hit: Option<u64>,
    /// Allocated on this node by a CPU of it.
    pub local: Option<u64>,
    /// Allocated on this node by a CPU of another.
    pub other: Option<u64>,
}

words! {
    /// What changed on a node. If several did, the first of these.
    NodeChange { Online, Offline, Cpus, Memory, Tier }
}

impl NodeFacts {
    /// `no CPUs`, `no memory`, or `neither CPUs nor memory`, if that is known of it.
    #[must_use]
    pub fn lacks(&self) -> Option<&'static str> {
        let without_cpus = self.cpus.as_deref() == Some("");
        match (without_cpus, self.mem_bytes == Some(0)) {
            (true, true) => Some("neither CPUs nor memory"),
            (true, false) => Some("no CPUs"),
            (false, true) => Some("no memory"),
            (false, false) => None,
        }
    }
}

impl NumaPages {
    /// The increase since an earlier reading. `None` also if the counts began again.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let of = |now: Option<u64>, then: Option<u64>| now?.checked_sub(then?);
        Self {
            hit: of(self.hit, earlier.hit),
            miss: of(self.miss, earlier.miss),
            foreign: of(self.foreign, earlier.foreign),
            interleave_hit: of(self.interleave_hit, earlier.interleave_hit),
            local: of(self.local, earlier.local),
            other: of(self.other, earlier.other),
        }
    }
}
