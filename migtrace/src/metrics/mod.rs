//! The metrics of `migtrace serve`, in OpenMetrics or Prometheus text.
//!
//! This module owns names and meaning of metrics ([`METRICS`]), and chooses which cgroups have series of their own. It does
//! no I/O and reads no clock. Unknown values are absent, never 0.

mod cgroups;
mod cost;
mod counts;
mod events;
mod family;
mod health;
mod nodes;
mod snapshot;
mod table;
mod text;

pub use self::{
    cgroups::Shown,
    cost::Cost,
    events::Tally,
    family::Families,
    snapshot::Snapshot,
    table::{Kind, METRICS, Metric},
    text::{Format, encode},
};

impl Snapshot<'_> {
    /// All metrics. A metric that is unknown or was never counted has no sample.
    #[must_use]
    pub fn families(&self) -> Families {
        let mut families = Families::default();
        counts::fill(&mut families, self);
        events::fill(&mut families, self.tally);
        cgroups::fill(&mut families, self.cgroups, self.meta);
        health::fill(&mut families, self);
        cost::fill(&mut families, self.cost, self.meta);
        nodes::fill(&mut families, self.nodes);
        families
    }
}

#[cfg(test)]
mod tests;
