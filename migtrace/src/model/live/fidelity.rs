//! What a source can show: each number of the live views is exact, estimated or unavailable, and says why.

use crate::{
    event::{Probe, ProbeField},
    recording::{Coverage, Meta, Why},
};

/// The levels of all numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverages {
    pub faults: Coverage,
    /// Faults on a page of another node than the CPU, which is not to say that a policy wants the page elsewhere.
    pub remote: Coverage,
    pub misplaced: Coverage,
    pub moved: Coverage,
    pub fault_times: Coverage,
    pub requests: Coverage,
    pub regions: Coverage,
    pub marks: Coverage,
    /// Whether moves are only known from the kernel's counts of its batches.
    pub moves_by_batch: bool,
}

impl Coverages {
    /// Of a source that says this about itself.
    #[must_use]
    pub fn of(meta: &Meta) -> Self {
        let field = |field| meta.coverage(Probe::Fault, field);
        let faults = meta.coverage(Probe::Fault, None);
        let by_row = meta.best_coverage(&[Probe::DirectMigrate, Probe::LazyMigrate]);
        let batches = meta.coverage(Probe::Batch, None);
        let moves_by_batch = !by_row.is_available() && batches.is_available();
        Self {
            remote: field(ProbeField::Nid),
            misplaced: meta.best_coverage(&[Probe::Check, Probe::HintingCheck]),
            moved: if moves_by_batch { batches } else { by_row },
            fault_times: field(ProbeField::LatencyNs),
            requests: meta.coverage(Probe::Request, None),
            regions: match field(ProbeField::Region) {
                Coverage::Unavailable(_) if faults.is_available() => Coverage::Estimated(Why::Derived(
                    "ranges of addresses that faulted; mappings are not shown".to_owned(),
                )),
                other => other,
            },
            marks: meta.coverage(Probe::Mark, None),
            moves_by_batch,
            faults,
        }
    }
}
