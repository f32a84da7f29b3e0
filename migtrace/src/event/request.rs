//! Placement syscalls.

use migtrace_common::node_mask::NodeMask;

use super::{policy::Policy, words::words};

/// A placement syscall returned.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub name: RequestName,
    pub addr: Option<u64>,
    /// Bytes; for move_pages, pages.
    pub len: Option<u64>,
    pub policy: Option<Policy>,
    /// The syscall's flags by name, joined by `|`.
    pub flags: String,
    pub nodemask: Option<NodeMask>,
    /// `None`: the calling process itself.
    pub target_pid: Option<u32>,
    /// Return value; a negative errno on failure.
    pub ret: i64,
    pub latency_ns: u64,
}

impl Request {
    /// Whether the syscall requested lazy marks instead of migrations.
    #[must_use]
    pub fn is_lazy(&self) -> bool {
        self.flags.split('|').any(|f| f == "lazy")
    }
}

words! {
    /// Placement syscalls by name.
    RequestName { Mbind, SetMempolicy, GetMempolicy, MovePages, MigratePages, SetMempolicyHomeNode }
}
