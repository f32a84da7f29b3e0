//! What a session traces, and how.

use rustix::thread::CapabilitySet;

use crate::{
    counts::Beside,
    filter::{Filter, kernel::KernelScope},
};

/// What to trace, and how.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Only these processes and the children they fork from now on; `None`: everything but migtrace itself.
    pub processes: Option<Vec<u32>>,
    /// Whether the descendants that these processes have already are traced as well.
    pub tree: bool,
    /// Size of each CPU's ring, bytes: a power of two, and whole pages. `None`: [`super::session::RINGS_BYTES`] for all
    /// rings together.
    pub ring_bytes: Option<u32>,
    /// Whether events have the stacks on which they happened.
    pub stacks: bool,
    /// Whether changes of place are recorded that are no migration. A process that frees memory makes many.
    pub places: bool,
    /// `Some`: the kernel counts faults, checks, marks and migrations, and makes at most so many records beside the counts.
    /// [`super::session::Session::counts`] returns the counts.
    pub aggregate: Option<Beside>,
    /// Whether events are completed from /proc and the cgroup hierarchy ([`super::enrich`]).
    pub enrich: bool,
    /// Whether the metadata has command lines of processes, if events are completed.
    pub command_lines: bool,
    /// Whether the programs report their own diagnostics.
    pub diagnostics: bool,
    /// Only these events.
    pub filter: Filter,
    /// And of them only those that the kernel alone can select.
    pub kernel: KernelScope,
    /// The filter in words, for the recording's metadata.
    pub filter_text: Option<String>,
    /// The traced command and its arguments, for the recording's metadata.
    pub command: Vec<String>,
    /// Capabilities that the calling thread keeps once the programs are attached.
    pub keep: CapabilitySet,
}

impl Scope {
    /// These events of the whole system, with every other setting at its default.
    #[must_use]
    pub fn of(filter: Filter, keep: CapabilitySet) -> Self {
        Self {
            processes: None,
            tree: false,
            ring_bytes: None,
            stacks: false,
            places: false,
            aggregate: None,
            enrich: true,
            command_lines: true,
            diagnostics: false,
            filter,
            kernel: KernelScope::default(),
            filter_text: None,
            command: Vec::new(),
            keep,
        }
    }
}
