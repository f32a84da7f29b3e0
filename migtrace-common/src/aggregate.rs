//! Counts that the programs keep beside records, or in their place, for views that need no single event: by what happened
//! and between which nodes, and by process.
//!
//! A key holds what a record of the event would say of it, in the record's own numbers, so that both are read by the same
//! words.

/// Buckets of a distribution of times. Bucket 0 holds what is shorter than [`SHORTEST_NS`], each further one reaches to
/// twice its predecessor's end, and the last has none.
pub const TIME_BUCKETS: usize = 28;
/// Where bucket 0 ends, ns.
pub const SHORTEST_NS: u64 = 1 << 8;
/// Sorts of events that are told apart, at most; what comes later is counted as refused.
pub const TALLIES: u32 = 4096;
/// Processes that are told apart, at most, as [`TALLIES`].
pub const PROCESSES: u32 = 16_384;
/// The time in which a CPU may make so many records of one kind as [`crate::config::Config::faults_per_window`] and
/// [`crate::config::Config::others_per_window`] say, ns.
pub const WINDOW_NS: u64 = 100_000_000;

/// End of a bucket, ns; `None` for the last.
#[must_use]
pub const fn bucket_end_ns(bucket: usize) -> Option<u64> {
    if bucket + 1 < TIME_BUCKETS { Some(SHORTEST_NS << bucket) } else { None }
}

macro_rules! wire {
    ($($(#[$meta:meta])* pub struct $name:ident { $($body:tt)* })*) => {$(
        $(#[$meta])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
        pub struct $name { $($body)* }

        #[cfg(feature = "user")]
        // SAFETY: plain integers in C layout, no padding (layout.rs asserts the sizes), any bit pattern is valid.
        unsafe impl aya::Pod for $name {}
    )*};
}

wire! {
    /// A sort of events.
    pub struct TallyKey {
        /// [`crate::kinds::RecordKind`]: a fault, check, mark or move of a folio.
        pub kind: u8,
        /// Of a fault its [`crate::kinds::FaultClass`], of a check its [`crate::kinds::CheckPath`], of a move its
        /// [`crate::kinds::MigratePath`].
        pub class: u8,
        /// Of a fault its [`crate::kinds::FaultWay`], of a move whether the folio moved, of a check whether it was made on
        /// the page's node.
        pub outcome: u8,
        /// Of a move, the [`crate::kinds::RequestName`] that it happened in.
        pub request: u8,
        /// Of a fault its VM_FAULT_* bits, of a check, a mark or a lazy move the mof_reason, of a direct move the
        /// migrate_reason.
        pub reason: i32,
        /// Of a fault the CPU's node, else the page's.
        pub from_nid: i32,
        /// Of a fault the page's node afterwards, else where it was to go.
        pub to_nid: i32,
    }

    /// How often, how many pages, and what it took.
    pub struct Tally {
        pub events: u64,
        pub pages: u64,
        /// Of the events whose time is known.
        pub total_ns: u64,
        /// Those events by their time.
        pub times: [u64; TIME_BUCKETS],
    }

    /// A process for good.
    pub struct ProcessKey {
        /// CLOCK_BOOTTIME, ns.
        pub start_ns: u64,
        /// The kernel's tgid.
        pub pid: u32,
        pub pad: u32,
    }

    /// What a process did and had to wait for.
    pub struct ProcessTally {
        /// As it was when the process was first counted on this CPU, or called exec on it.
        pub comm: [u64; 2],
        /// When that was, CLOCK_BOOTTIME in ns; 0 where it was not counted on this CPU.
        pub named_ns: u64,
        pub cgroup_id: u64,
        pub faults: u64,
        /// Faults whose page is on another node than the CPU.
        pub remote_faults: u64,
        /// Time in faults, where it is known, ns.
        pub fault_ns: u64,
        pub misplaced: u64,
        pub moved_pages: u64,
        pub failed_pages: u64,
    }
}
