//! Probes, the fields of their events, and which kind of events each makes.

pub use migtrace_common::counters::Probe;

use super::{
    body::{Body, Kind},
    migrate::Cause,
    name::{Name, Word},
    words::words,
};

/// A probe as a trace names it.
pub type ProbeName = Name<Probe>;
/// A field of a probe's events as a trace names it.
pub type FieldName = Name<ProbeField>;

impl Word for Probe {
    fn word(self) -> &'static str {
        self.name()
    }

    fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|probe| probe.name() == word)
    }
}

words! {
    /// What a hook of its own can provide for a probe's events: a field, or the events of some folios (`zsmalloc`,
    /// `balloon`).
    ProbeField {
        Class, Major, Nid, LatencyNs, Result, Region, Addr, CopyNs, RemapNs, ToNode, Pages, Zsmalloc, Balloon,
    }
}

impl Word for ProbeField {
    fn word(self) -> &'static str {
        self.into()
    }

    fn of_word(word: &str) -> Option<Self> {
        word.parse().ok()
    }
}

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
    }
}

impl Body {
    /// The probe that makes such events; `None` for losses, which no probe makes.
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
            Self::Phase(_) => Probe::Phase,
            Self::Loss(_) => return None,
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
    fn a_name_that_is_not_known_stays_a_name() {
        let name = ProbeName::from("tlb_flush");
        assert_eq!((name.known(), name.as_str()), (None, "tlb_flush"));
        assert_eq!(serde_json::to_string(&name).expect("JSON"), "\"tlb_flush\"");
        let known: ProbeName = serde_json::from_str("\"lazy_migrate\"").expect("a name");
        assert_eq!(known.known(), Some(Probe::LazyMigrate));
        assert_eq!(serde_json::to_string(&known).expect("JSON"), "\"lazy_migrate\"");
    }

    #[test]
    fn a_probes_events_are_of_its_kind() {
        for probe in Probe::ALL {
            assert!(probe.name().ends_with(<&str>::from(kind_of(probe))), "{}", probe.name());
        }
    }
}
