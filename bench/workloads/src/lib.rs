//! What the programs of the benches report to `cargo xtask bench`, as JSON.

#[cfg(feature = "programs")]
pub mod region;

use serde::{Deserialize, Serialize};

/// What the toucher did on one CPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Touched {
    pub cpu: u32,
    /// Pages touched in each round.
    pub pages: u64,
    /// Minor faults while touching, by getrusage(2): as many as pages touched, if all is well.
    pub faults: u64,
    pub rounds: Vec<Round>,
    /// CPU time of the whole process until it reported.
    pub process_cpu_ns: u64,
}

/// Touching all pages once.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// By CLOCK_MONOTONIC.
    pub wall_ns: u64,
    /// Of it, on the CPU: by CLOCK_THREAD_CPUTIME_ID.
    pub cpu_ns: u64,
}

/// What the program `store` of the floor made of a workload's faults, and of all others meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Watched {
    /// Records read from the ring.
    pub records: u64,
    /// Records that found it full.
    pub lost: u64,
}

/// What `refault` measured, by CLOCK_MONOTONIC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refaulted {
    /// Pages touched in each round.
    pub pages: u64,
    /// Touching all of them for the first time, ns, by round.
    pub anon_ns: Vec<u64>,
    /// Touching all of them while they are in the swap cache, unmapped, ns, by round.
    pub swap_cache_ns: Vec<u64>,
}
