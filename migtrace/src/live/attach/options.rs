//! Options for loading the programs: what to trace, and how.

use super::bpf_config::Offsets;
use crate::{counts::Beside, filter::kernel::KernelFilter, live::host::kernel::Kernel};

/// Options of the caller.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    pub kernel: &'a Kernel,
    pub offsets: &'a Offsets,
    /// Only these processes and the children they fork from now on; `None`: everything but this process.
    pub processes: Option<&'a [u32]>,
    /// Size of each CPU's ring, bytes: a power of two, and whole pages.
    pub ring_bytes: u32,
    /// Whether events have stacks.
    pub stacks: bool,
    /// Whether changes of place are recorded that are no migration.
    pub places: bool,
    /// `Some`: the kernel counts faults, checks, marks and folio migrations, and makes at most so many records beside
    /// the counts.
    pub aggregate: Option<Beside>,
    /// Whether the programs report their own diagnostics.
    pub diagnostics: bool,
    /// The part of the filter that the programs evaluate.
    pub filter: &'a KernelFilter,
}
