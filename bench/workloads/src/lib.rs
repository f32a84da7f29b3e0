//! The JSON reports from the programs of the benches to `cargo xtask bench`.

#[cfg(feature = "programs")]
pub mod region;

use serde::{Deserialize, Serialize};

/// The toucher's report about one CPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Touched {
    pub cpu: u32,
    /// Pages touched in each round.
    pub pages: u64,
    /// Minor faults while touching, by getrusage(2): expected to equal the pages touched in all rounds.
    pub faults: u64,
    pub rounds: Vec<Round>,
    /// CPU time of the whole process until its report.
    pub process_cpu_ns: u64,
}

/// Times to touch all pages once.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// By CLOCK_MONOTONIC.
    pub wall_ns: u64,
    /// The thread's CPU time in this round, by CLOCK_THREAD_CPUTIME_ID.
    pub cpu_ns: u64,
}

/// The floor's report: the program `store` sees the faults of the workload and of all other processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Watched {
    /// Records read from the ring.
    pub records: u64,
    /// Records lost because the ring was full.
    pub lost: u64,
}

/// The report of `refault`, by CLOCK_MONOTONIC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refaulted {
    /// Pages touched in each round.
    pub pages: u64,
    /// Time to touch all pages for the first time, ns, by round.
    pub anon_ns: Vec<u64>,
    /// Time to touch all pages while they are unmapped in the swap cache, ns, by round.
    pub swap_cache_ns: Vec<u64>,
}
