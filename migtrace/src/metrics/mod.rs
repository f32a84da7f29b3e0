//! What `migtrace serve` says: counts as metrics, in OpenMetrics or Prometheus text.
//!
//! This module owns the metrics' names and meaning ([`METRICS`]), what becomes of counts in them, and which cgroups have
//! series of their own. It is pure: no kernel, no clock and no network. What is unknown is absent, never 0.

mod cgroups;
mod cost;
mod counts;
mod events;
mod family;
mod health;
mod table;
mod text;

use crate::event::Probe;
use std::collections::HashMap;

use migtrace_common::counters::ProbeCounters;

pub use self::{
    cgroups::Shown,
    cost::Cost,
    events::Tally,
    family::Families,
    table::{Kind, METRICS, Metric},
    text::{Format, encode},
};
use crate::{counts::Counts, doctor::View, recording::Meta};

/// All that the metrics are made of, at one moment.
pub struct Snapshot<'a> {
    pub meta: &'a Meta,
    /// Counted in the kernel.
    pub counts: &'a Counts,
    /// Counted of the events that came as such.
    pub tally: &'a Tally,
    pub cgroups: &'a Shown,
    pub counters: &'a HashMap<Probe, ProbeCounters>,
    pub views: &'a [View],
    pub cost: &'a Cost,
}

impl Snapshot<'_> {
    /// The metrics. Those of which nothing is known, or nothing was counted, have no sample.
    #[must_use]
    pub fn families(&self) -> Families {
        let mut families = Families::default();
        counts::fill(&mut families, self);
        events::fill(&mut families, self.tally);
        cgroups::fill(&mut families, self.cgroups, self.meta);
        health::fill(&mut families, self);
        cost::fill(&mut families, self);
        families
    }
}

#[cfg(test)]
mod tests;
