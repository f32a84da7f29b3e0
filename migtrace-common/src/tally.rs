//! Tallies: totals that the programs keep beside records, or instead of them, for views that need no single event.
//! There are two tables: by what happened and between which nodes, and by process.
//!
//! A key holds the same numbers as a record of the event, so that the same code decodes both.

use crate::record::BY_LAZY_FAULT;

/// Buckets of a distribution of times. Bucket 0 holds times below [`SHORTEST_NS`]. Each further bucket ends at twice
/// the end of the one before; the last has no end.
pub const TIME_BUCKETS: usize = 28;
/// End of bucket 0, ns.
pub const SHORTEST_NS: u64 = 1 << 8;
/// Maximum number of keys. Events of further keys count as lost to the tallies.
pub const MAX_KEYS: u32 = 4096;
/// Maximum number of processes, as [`MAX_KEYS`].
pub const MAX_PROCESSES: u32 = 16_384;
/// Length of the window in which [`crate::config::Config::faults_per_window`] and
/// [`crate::config::Config::others_per_window`] limit a CPU's records of one kind, ns.
pub const WINDOW_NS: u64 = 100_000_000;

/// End of a bucket, ns; `None` for the last.
#[must_use]
pub const fn bucket_end_ns(bucket: usize) -> Option<u64> {
    if bucket + 1 < TIME_BUCKETS { Some(SHORTEST_NS << bucket) } else { None }
}

/// What a fault waited for, as [`TallyKey::request`]: the migration's migrate_reason, plus 1, in the low bits, and the
/// [`crate::kinds::RequestName`] around it above them. For [`BY_LAZY_FAULT`], all low bits are set. 0 is a migration
/// that no program saw, or a number too large.
#[must_use]
#[inline(always)]
pub const fn wait_code(migrate_reason: i32, request: u8) -> u8 {
    if request >= 8 {
        return 0;
    }
    let reason = match migrate_reason {
        BY_LAZY_FAULT => LAZY_FAULT_BITS,
        0..WAIT_REASONS => migrate_reason as u8 + 1,
        _ => return 0,
    };
    reason | (request << WAIT_REASON_BITS)
}

/// The migrate_reason and the [`crate::kinds::RequestName`] of a code; `None` for 0.
#[must_use]
pub const fn waited_for(code: u8) -> Option<(i32, u8)> {
    let request = code >> WAIT_REASON_BITS;
    match code & LAZY_FAULT_BITS {
        0 => None,
        LAZY_FAULT_BITS => Some((BY_LAZY_FAULT, request)),
        reason => Some((reason as i32 - 1, request)),
    }
}

/// Bits of a migrate_reason in a code. Linux 6.18 has 10 reasons.
const WAIT_REASON_BITS: u32 = 5;
/// Those bits of [`BY_LAZY_FAULT`].
const LAZY_FAULT_BITS: u8 = (1 << WAIT_REASON_BITS) - 1;
/// Reasons that fit, since two more values are for none and for [`BY_LAZY_FAULT`].
const WAIT_REASONS: i32 = (1 << WAIT_REASON_BITS) - 2;

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
    /// What events of one tally have in common.
    pub struct TallyKey {
        /// [`crate::kinds::RecordKind`]: a fault, check, mark or migration of a folio.
        pub kind: u8,
        /// [`crate::kinds::FaultClass`] of a fault, [`crate::kinds::CheckPath`] of a check,
        /// [`crate::kinds::MigratePath`] of a migration.
        pub class: u8,
        /// [`crate::kinds::FaultHook`] of a fault; of a migration, 1 if it succeeded; of a check, 1 if it ran on the
        /// page's node.
        pub outcome: u8,
        /// [`crate::kinds::RequestName`] that a migration or mark is nested in; of a fault, [`wait_code`].
        pub request: u8,
        /// VM_FAULT_* bits of a fault; mof_reason of a check, a mark or a lazy migration; migrate_reason of a direct
        /// migration.
        pub reason: i32,
        /// The CPU's node for a fault, else the page's.
        pub from_nid: i32,
        /// The page's node after a fault, else the target node.
        pub to_nid: i32,
    }

    /// Totals of the events of one key.
    pub struct Tally {
        pub events: u64,
        pub pages: u64,
        /// Sum over the events whose time is known.
        pub total_ns: u64,
        /// The same events by their time.
        pub times: [u64; TIME_BUCKETS],
    }

    /// Names a process for good, since PIDs are reused.
    pub struct ProcessKey {
        /// Start of the process: CLOCK_BOOTTIME, ns.
        pub start_ns: u64,
        /// The kernel's tgid.
        pub pid: u32,
        pub pad: u32,
    }

    /// Totals of one process.
    pub struct ProcessTally {
        /// The name when the process was first counted on this CPU, or called exec on it.
        pub comm: [u64; 2],
        /// When that was, CLOCK_BOOTTIME in ns; 0 if it was not counted on this CPU.
        pub named_ns: u64,
        pub cgroup_id: u64,
        pub faults: u64,
        /// Faults whose page is on another node than the CPU.
        pub remote_faults: u64,
        /// Time in faults with a known latency, ns.
        pub fault_ns: u64,
        /// Faults that waited for a migration, and the time in them, ns.
        pub migration_waits: u64,
        pub migration_wait_ns: u64,
        pub misplaced: u64,
        pub migrated_pages: u64,
        pub failed_pages: u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_code_holds_reason_and_syscall() {
        for reason in BY_LAZY_FAULT..WAIT_REASONS {
            for request in 0..8 {
                assert_eq!(waited_for(wait_code(reason, request)), Some((reason, request)));
            }
        }
        for unknown in [wait_code(BY_LAZY_FAULT - 1, 0), wait_code(WAIT_REASONS, 0), wait_code(0, 8)] {
            assert_eq!(waited_for(unknown), None);
        }
    }
}
