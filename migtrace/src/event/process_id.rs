//! Processes by id.

/// Names a process for good: PIDs are reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ProcessId {
    pub pid: u32,
    /// When it started, CLOCK_BOOTTIME in ns; `None` if not known.
    pub start_ns: Option<u64>,
}
