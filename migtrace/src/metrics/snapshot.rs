//! What metrics are made from.

use std::collections::HashMap;

use migtrace_common::counters::ProbeCounters;

use super::{cgroups::Shown, cost::Cost, events::Tally};
use crate::{
    counts::Counts,
    doctor::View,
    event::{NodeFacts, Probe},
    recording::Meta,
};

/// The input of all metrics at one moment.
pub struct Snapshot<'a> {
    pub meta: &'a Meta,
    /// Counts made in the kernel.
    pub counts: &'a Counts,
    /// Counts of events that came as records.
    pub tally: &'a Tally,
    pub cgroups: &'a Shown,
    pub counters: &'a HashMap<Probe, ProbeCounters>,
    pub views: &'a [View],
    pub cost: &'a Cost,
    pub nodes: &'a [NodeFacts],
}
