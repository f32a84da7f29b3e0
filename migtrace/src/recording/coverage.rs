//! What the recording does not hold: loss by probe, and what this kernel could not show.

use super::{Meta, ProbeAccount, ProbeInfo};
use crate::event::{Body, Event, Kind, KindSet};

/// One probe's account, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Balance {
    pub account: ProbeAccount,
    /// seen - stored - lost; anything but 0 is an error of migtrace.
    pub missing: i128,
}

/// The account of each probe.
#[must_use]
pub fn balances(meta: &Meta) -> Vec<Balance> {
    let missing = |a: &ProbeAccount| i128::from(a.seen) - i128::from(a.stored) - i128::from(a.lost());
    meta.account.iter().map(|a| Balance { missing: missing(a), account: a.clone() }).collect()
}

/// Whether the account is final and says that nothing was lost.
#[must_use]
pub fn is_lossless(meta: &Meta) -> bool {
    meta.end_ns.is_some()
        && !meta.account.is_empty()
        && balances(meta).iter().all(|b| b.missing == 0)
        && meta.lost() == 0
}

/// Events that the trace's own loss events count: the account of a recording that was cut off.
#[must_use]
pub fn lost_by_events(events: &[Event]) -> u64 {
    let count = |e: &Event| if let Body::Loss(l) = &e.body { l.count } else { 0 };
    events.iter().map(count).sum()
}

/// Whether a probe's events could be recorded. It may need several hooks, all of them; the requests' are pairs for each
/// system call, of which a kernel may lack some. A recording that does not list its probes is taken to have had them all.
#[must_use]
pub fn is_attached(meta: &Meta, probe: &str) -> bool {
    let mut hooks = meta.probes.iter().filter(|p| p.probe == probe && p.field.is_none()).peekable();
    match hooks.peek() {
        None => meta.probes.is_empty(),
        Some(_) if probe == "request" => hooks.any(|p| p.attached.is_some()),
        Some(_) => hooks.all(|p| p.attached.is_some()),
    }
}

/// Treats the probes of these kinds as if they had not been attached: a filter leaves all their events out.
pub fn leave_out(meta: &mut Meta, kinds: KindSet) {
    for probe in meta.probes.iter_mut().filter(|p| kind(&p.probe).is_some_and(|k| kinds.contains(k))) {
        probe.attached = None;
        probe.error = Some("left out by the filter".to_owned());
    }
}

/// The kind of a probe's events.
fn kind(probe: &str) -> Option<Kind> {
    match probe {
        "lazy_migrate" | "direct_migrate" => Some(Kind::Migrate),
        "lazy_batch" => Some(Kind::Batch),
        same => same.parse().ok(),
    }
}

/// Whether a probe's events could be recorded, and have this field.
#[must_use]
pub fn shows(meta: &Meta, probe: &str, field: &str) -> bool {
    let lacks = |p: &ProbeInfo| p.probe == probe && p.field.as_deref() == Some(field) && p.attached.is_none();
    is_attached(meta, probe) && !meta.probes.iter().any(lacks)
}

/// Hooks whose events are not exact: estimated, or not there at all.
pub fn inexact(meta: &Meta) -> impl Iterator<Item = &ProbeInfo> {
    meta.probes.iter().filter(|p| p.fidelity != "exact" || p.attached.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit;

    #[test]
    fn seen_is_stored_plus_lost() {
        let (meta, events) = testkit::lossy();
        assert!(balances(&meta).iter().all(|b| b.missing == 0));
        assert!(!is_lossless(&meta));
        assert_eq!(lost_by_events(&events), 3);
        let (mut meta, _) = testkit::direct(8);
        assert!(is_lossless(&meta));
        meta.account[0].stored -= 1;
        assert!(!is_lossless(&meta));
        assert_eq!(balances(&meta)[0].missing, 1);
    }

    #[test]
    fn a_probe_needs_all_its_hooks_but_no_hook_of_a_field() {
        let (mut meta, _) = testkit::direct(8);
        let mut lacking = meta.probes[0].clone();
        lacking.attached = None;
        lacking.field = Some("class".into());
        meta.probes.push(lacking.clone());
        assert!(is_attached(&meta, "fault"));
        lacking.field = None;
        meta.probes.push(ProbeInfo { probe: "request".into(), ..lacking.clone() });
        meta.probes.push(lacking);
        assert!(!is_attached(&meta, "fault"));
        assert!(is_attached(&meta, "request"), "a kernel may lack a system call");
        assert!(!is_attached(&meta, "nonsense"));
        assert!(is_attached(&Meta::default(), "fault"));
    }

    #[test]
    fn kinds_that_a_filter_leaves_out_count_as_not_recorded() {
        let (mut meta, _) = testkit::direct(8);
        leave_out(&mut meta, [Kind::Migrate, Kind::Batch].into_iter().collect());
        let left: Vec<&str> = meta.probes.iter().filter(|p| p.attached.is_none()).map(|p| &*p.probe).collect();
        assert!(left.contains(&"direct_migrate") && left.contains(&"batch"), "{left:?}");
        assert!(is_attached(&meta, "fault") && !is_attached(&meta, "direct_migrate"));
    }

    #[test]
    fn an_account_that_is_not_final_is_not_lossless() {
        let (mut meta, _) = testkit::direct(8);
        meta.end_ns = None;
        assert!(!is_lossless(&meta));
    }
}
