//! What a source can show: each number of the live views is exact, estimated or unavailable, and says why.

use crate::recording::{Meta, coverage};

/// How far a number can be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Level {
    Exact,
    /// Derived; what from.
    Estimated(String),
    /// The source cannot show it; why.
    Unavailable(String),
}

impl Level {
    /// Whether there is a number at all.
    #[must_use]
    pub const fn is_available(&self) -> bool {
        !matches!(self, Self::Unavailable(_))
    }

    /// What stands before a number of this level: nothing, or `~` for an estimate.
    #[must_use]
    pub const fn sign(&self) -> &'static str {
        if matches!(self, Self::Estimated(_)) { "~" } else { "" }
    }
}

/// The levels of all numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fidelity {
    pub faults: Level,
    /// Also where a process's pages lie.
    pub remote: Level,
    pub misplaced: Level,
    pub moved: Level,
    pub fault_times: Level,
    pub requests: Level,
    pub regions: Level,
    pub marks: Level,
    /// Whether moves are only known from the kernel's counts of its batches.
    pub moves_by_batch: bool,
}

impl Fidelity {
    /// Of a source that says this about itself.
    #[must_use]
    pub fn of(meta: &Meta) -> Self {
        let faults = probes(meta, &["fault"]);
        let by_row = probes(meta, &["direct_migrate", "lazy_migrate"]);
        let moves_by_batch = !by_row.is_available() && coverage::is_attached(meta, "batch");
        let remote = match field(meta, "nid") {
            Level::Exact => Level::Estimated(
                "the page's node against that of the CPU that touched it; nobody asks policy in most faults".to_owned(),
            ),
            other => other,
        };
        Self {
            remote,
            misplaced: probes(meta, &["check", "hinting_check"]),
            moved: if moves_by_batch { Level::Exact } else { by_row },
            fault_times: field(meta, "latency_ns"),
            requests: probes(meta, &["request"]),
            regions: match field(meta, "region") {
                Level::Unavailable(_) if faults.is_available() => {
                    Level::Estimated("ranges of addresses that faulted; mappings are not shown".to_owned())
                }
                other => other,
            },
            marks: probes(meta, &["mark"]),
            moves_by_batch,
            faults,
        }
    }
}

/// Exact where one of these probes is attached.
fn probes(meta: &Meta, names: &[&str]) -> Level {
    if names.iter().any(|name| coverage::is_attached(meta, name)) {
        return Level::Exact;
    }
    let why = meta.probes.iter().find(|p| names.contains(&&*p.probe) && p.field.is_none() && p.attached.is_none());
    let why = why.and_then(|p| p.error.as_deref()).map(|why| why.trim_end_matches([';', ' ']));
    Level::Unavailable(why.unwrap_or("no probe for it was attached").to_owned())
}

/// Of a field of the faults.
fn field(meta: &Meta, name: &str) -> Level {
    if coverage::shows(meta, "fault", name) {
        return Level::Exact;
    }
    let of_field = |p: &&crate::recording::ProbeInfo| p.probe == "fault" && p.field.as_deref() == Some(name);
    let why = meta.probes.iter().find(of_field).and_then(|p| p.error.as_deref());
    match why.or(meta.probes.iter().find(|p| p.probe == "fault").and_then(|p| p.error.as_deref())) {
        Some(why) => Level::Unavailable(why.trim_end_matches([';', ' ']).to_owned()),
        None => Level::Unavailable("no probe for it was attached".to_owned()),
    }
}
