//! All that `migtrace doctor` finds.

use serde::Serialize;

use super::{checks::Check, views::View};
use crate::recording::ProbeInfo;

/// All that doctor finds.
#[derive(Debug, Serialize)]
pub struct Report {
    pub migtrace_version: String,
    /// `uname -r`.
    pub kernel_release: String,
    /// Whether it has migrate-on-fault; `None` where its type information cannot be read.
    pub kernel_patched: Option<bool>,
    /// What emulates or virtualises this machine.
    pub machine: Option<String>,
    /// Whether a recording would hold anything.
    pub can_trace: bool,
    pub checks: Vec<Check>,
    /// Each role of the catalog: how its programs are attached, or the exact reason why not.
    pub probes: Vec<ProbeInfo>,
    pub views: Vec<View>,
}
