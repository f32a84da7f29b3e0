//! Which kind of events each probe makes.

use super::{
    body::{Body, Kind},
    migrate::Cause,
    probe::Probe,
};

/// The kind of a probe's events.
#[must_use]
pub const fn kind_of(probe: Probe) -> Kind {
    match probe {
        Probe::Fault => Kind::Fault,
        Probe::Check | Probe::HintingCheck => Kind::Check,
        Probe::Mark => Kind::Mark,
        Probe::LazyMigrate | Probe::DirectMigrate => Kind::Migrate,
        Probe::Batch | Probe::LazyBatch => Kind::Batch,
        Probe::Request => Kind::Request,
        Probe::Task => Kind::Task,
        Probe::Phase => Kind::Phase,
        Probe::Region => Kind::Region,
        Probe::Place => Kind::Place,
    }
}

impl Body {
    /// The probe that makes such events; `None` for those that the recorder makes.
    #[must_use]
    pub const fn probe(&self) -> Option<Probe> {
        Some(match self {
            Self::Fault(_) => Probe::Fault,
            Self::Check(c) if c.is_hinting() => Probe::HintingCheck,
            Self::Check(_) => Probe::Check,
            Self::Mark(_) => Probe::Mark,
            Self::Migrate(m) => migrate_probe(m.cause),
            Self::Batch(b) if b.work.is_mark() => Probe::LazyBatch,
            Self::Batch(_) => Probe::Batch,
            Self::Request(_) => Probe::Request,
            Self::Task(_) => Probe::Task,
            Self::Region(_) => Probe::Region,
            Self::Place(_) => Probe::Place,
            Self::Phase(_) => Probe::Phase,
            Self::Node(_) | Self::Census(_) | Self::Loss(_) => return None,
        })
    }
}

/// The probe that sees migrations with this cause.
#[must_use]
pub const fn migrate_probe(cause: Cause) -> Probe {
    if matches!(cause, Cause::LazyFault) { Probe::LazyMigrate } else { Probe::DirectMigrate }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probes_events_are_of_its_kind() {
        for probe in Probe::ALL {
            assert!(probe.name().ends_with(<&str>::from(kind_of(probe))), "{}", probe.name());
        }
    }
}
