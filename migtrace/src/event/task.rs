//! Forks, executed programs, exits, and threads on another node.

use super::words::words;

/// A thread forked, executed a program, exited, or now runs on another node.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    pub what: TaskEvent,
    pub from_node: Option<i32>,
    pub to_node: Option<i32>,
    /// The new process of a fork.
    pub target_pid: Option<u32>,
    /// Pages of the process that remain on `from_node` after one of its threads changed nodes.
    pub pages: Option<u64>,
    /// Duration of a scan.
    pub latency_ns: Option<u64>,
}

words! {
    /// The kinds of task events. `Moved`: the thread now runs on another node. `Scanned`: NUMA balancing made a part of its
    /// process's memory inaccessible, in the thread.
    TaskEvent { Fork, Exec, Exit, Moved, Scanned }
}
