//! Phases of the workload.

/// The workload reported its next phase.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    pub text: String,
}
