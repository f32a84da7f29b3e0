//! The account of every record: what a probe saw is stored, lost or filtered, and nothing else.

/// The programs that can make or refuse a record. Index into the per-CPU counters and `probe` in each record's header.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    Fault = 0,
    Check = 1,
    Mark = 2,
    LazyMigrate = 3,
    DirectMigrate = 4,
    Batch = 5,
    LazyBatch = 6,
    Request = 7,
    Task = 8,
    Phase = 9,
    HintingCheck = 10,
    Region = 11,
}

impl Probe {
    /// Every probe, in the order of its index.
    pub const ALL: [Self; 12] = [
        Self::Fault,
        Self::Check,
        Self::Mark,
        Self::LazyMigrate,
        Self::DirectMigrate,
        Self::Batch,
        Self::LazyBatch,
        Self::Request,
        Self::Task,
        Self::Phase,
        Self::HintingCheck,
        Self::Region,
    ];

    /// The name that traces and views use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Check => "check",
            Self::Mark => "mark",
            Self::LazyMigrate => "lazy_migrate",
            Self::DirectMigrate => "direct_migrate",
            Self::Batch => "batch",
            Self::LazyBatch => "lazy_batch",
            Self::Request => "request",
            Self::Task => "task",
            Self::Phase => "phase",
            Self::HintingCheck => "hinting_check",
            Self::Region => "region",
        }
    }
}

/// Programs that can count for one probe, at most.
///
/// Each counts for itself: the kernel runs a program once at a time on a CPU (a second start is a miss, which it counts),
/// but may preempt it for another program, which could swallow a count of both.
pub const PROGRAMS_PER_PROBE: u32 = 8;

/// Index of a program's counters: `program` is its number among those of the probe.
#[must_use]
pub const fn counters_index(probe: Probe, program: u32) -> u32 {
    probe as u32 * PROGRAMS_PER_PROBE + program
}

/// One program's counts on one CPU. `seen = stored + ring_full + no_start`, where every event that passed the filter and is
/// in the sample is seen.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProbeCounters {
    /// Events that passed the filter and are in the sample.
    pub seen: u64,
    /// Records committed to a ring.
    pub stored: u64,
    /// Records refused because the ring was full.
    pub ring_full: u64,
    /// Events given up because their begin was not seen: it came before the probe did, or the kernel had no memory for it.
    pub no_start: u64,
    /// Events that the filter left out.
    pub filtered: u64,
    /// Events that passed the filter and are not in the sample.
    pub sampled_out: u64,
    /// Events that were counted and got no record, for there were enough of their kind.
    pub counted_only: u64,
    /// Events that could not be counted, for there were too many sorts of them, or too many processes.
    pub uncounted: u64,
}

impl ProbeCounters {
    /// Events that passed the filter and are in the sample, with a record or without.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.seen + self.counted_only
    }

    /// Events seen that the trace does not hold.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.ring_full + self.no_start
    }
}

#[cfg(feature = "user")]
// SAFETY: plain integers in C layout, no padding (layout.rs asserts the size), any bit pattern is valid.
unsafe impl aya::Pod for ProbeCounters {}
