//! On which nodes the pages of a process are, mapping by mapping. The driver reads it from /proc.

use crate::model::live::nodes::Nodes;

/// One reading, or why it failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NumaMaps {
    pub pid: u32,
    /// Time of the reading, CLOCK_BOOTTIME, ns.
    pub at_ns: u64,
    pub mappings: Vec<Mapping>,
    /// Mappings beyond those that are kept.
    pub left_out: usize,
    pub error: Option<String>,
}

/// One mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub start: u64,
    /// `None` if it was mapped between the readings of the two files.
    pub end: Option<u64>,
    /// As the kernel writes it: `default`, `bind:0-1`, `prefer:1`.
    pub policy: String,
    pub kind: &'static str,
    /// The file's path; empty for none.
    pub name: String,
    /// Pages of `page_bytes` by node.
    pub pages: Nodes,
    pub page_bytes: u64,
}
