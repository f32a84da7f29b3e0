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
}

impl Probe {
    /// Every probe, in the order of its index.
    pub const ALL: [Self; 10] = [
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
        }
    }
}

/// One probe's counts on one CPU. `seen = stored + ring_full + map_full`, where every event that passed the filter is seen.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProbeCounters {
    /// Events that passed the filter.
    pub seen: u64,
    /// Records committed to a ring.
    pub stored: u64,
    /// Records refused because the ring was full.
    pub ring_full: u64,
    /// Events given up because a map of events under way was full, or its entry had been pushed out.
    pub map_full: u64,
    /// Events that the filter left out.
    pub filtered: u64,
}

impl ProbeCounters {
    /// Events seen that the trace does not hold.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.ring_full + self.map_full
    }
}

#[cfg(feature = "user")]
// SAFETY: plain integers in C layout, no padding (layout.rs asserts the size), any bit pattern is valid.
unsafe impl aya::Pod for ProbeCounters {}
