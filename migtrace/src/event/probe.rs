//! Probes, and the fields of their events.

pub use migtrace_common::counters::Probe;

use super::{
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
        Class, Major, Nid, LatencyNs, Result, Region, Addr, OwnerPid, Cause, CopyNs, RemapNs, ToNode, Pages, Zsmalloc,
        Balloon,
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
}
