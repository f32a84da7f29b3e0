//! How the programs are loaded: what to trace, and what to make of it.

use super::bpf_config::Offsets;
use crate::{counts::Beside, filter::kernel::KernelFilter, live::host::kernel::Kernel};

/// What the caller decides.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    pub kernel: &'a Kernel,
    pub offsets: &'a Offsets,
    /// Only these processes and the children that they have from now on; `None`: everything but this process.
    pub processes: Option<&'a [u32]>,
    /// Size of each CPU's ring, bytes: a power of two, and whole pages.
    pub ring_bytes: u32,
    /// Whether events get the stacks on which they happened.
    pub stacks: bool,
    /// Where faults, checks, marks and moves of folios are to be counted in the kernel: the records that are made beside.
    pub aggregate: Option<Beside>,
    /// Whether the programs' own diagnostics are wanted.
    pub diagnostics: bool,
    /// What of the filter the programs decide.
    pub filter: &'a KernelFilter,
}
