//! The process in whose page table a page is. It is seldom another one than that of the task that acts, except for
//! migrations.

use super::{comm::Comm, process_id::ProcessId};

/// The owner of the page of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Owner {
    /// The process of the event's own task.
    #[default]
    Actor,
    Other(Box<OwnerProcess>),
    /// No process maps the page, or the kernel does not show which.
    Unknown,
}

/// A process that owns a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerProcess {
    pub process: ProcessId,
    /// Name of its first thread.
    pub comm: Comm,
    pub cgroup_id: u64,
}
