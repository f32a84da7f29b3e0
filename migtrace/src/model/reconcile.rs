//! Compares the kernel's own counters with the events in the trace.
//!
//! /proc/vmstat counts the whole system, and the trace contains what its filter accepts. So a counter may be larger
//! than the trace's count. If it is smaller, one of the two is wrong.

use super::Run;
use super::measure::folio_pages;
use crate::{
    event::{Body, Cause, Event, FaultClass, Outcome, Probe, ProbeField, Verdict},
    recording::Meta,
};

/// One counter and the trace's count of the same thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconciled {
    pub counter: &'static str,
    /// What it counts.
    pub meaning: &'static str,
    /// Increase of the counter during the recording.
    pub gained: i64,
    /// The count from this trace's events.
    pub traced: u64,
}

impl Reconciled {
    /// `gained - traced`.
    #[must_use]
    pub fn difference(&self) -> i128 {
        i128::from(self.gained) - i128::from(self.traced)
    }
}

type Counted = fn(&Body) -> u64;
/// A probe, or a field of its events.
type Needs = (Probe, Option<ProbeField>);

/// Counter, meaning, the probe or field that the count needs, and the pages that one event adds.
const COUNTERS: [(&str, &str, Needs, Counted); 8] = [
    ("mof_unmapped", "pages marked lazily", (Probe::Mark, None), |b| match b {
        Body::Mark(m) if m.result == Outcome::Ok => folio_pages(m.order),
        _ => 0,
    }),
    ("mof_checked", "pages checked when touched", (Probe::Check, None), |b| match b {
        Body::Check(c) if !c.is_hinting() => folio_pages(c.order),
        _ => 0,
    }),
    ("mof_misplaced", "pages found misplaced", (Probe::Check, None), |b| match b {
        Body::Check(c) if c.verdict == Verdict::Misplaced && !c.is_hinting() => folio_pages(c.order),
        _ => 0,
    }),
    ("mof_migrated", "pages migrated when touched", (Probe::LazyMigrate, None), |b| match b {
        Body::Migrate(m) if m.cause == Cause::LazyFault && m.result == Outcome::Ok => m.pages(),
        _ => 0,
    }),
    ("mof_failed", "pages not migrated when touched", (Probe::LazyMigrate, None), |b| match b {
        Body::Migrate(m) if m.cause == Cause::LazyFault && m.result == Outcome::Failed => m.pages(),
        _ => 0,
    }),
    // The kernel also counts pages that were freed before migration: the batch is done with them, and nothing was
    // copied.
    (
        "pgmigrate_success",
        "pages migrated for any cause, or freed before migration",
        (Probe::DirectMigrate, None),
        |b| match b {
            Body::Migrate(m) if m.result == Outcome::Ok => m.pages(),
            Body::Batch(b) => b.unmoved.unwrap_or(0),
            _ => 0,
        },
    ),
    // Counted by batches: the kernel tries a folio several times and counts it once.
    ("pgmigrate_fail", "pages that failed to migrate", (Probe::Batch, None), |b| match b {
        Body::Batch(b) if !b.work.is_mark() => b.failed,
        Body::Migrate(m) if m.cause == Cause::LazyFault && m.result == Outcome::Failed => m.pages(),
        _ => 0,
    }),
    ("numa_hint_faults", "NUMA hinting faults", (Probe::Fault, Some(ProbeField::Class)), |b| match b {
        Body::Fault(f) if f.class == Some(FaultClass::Hinting) => 1,
        _ => 0,
    }),
];

/// The trace's count for each counter, built event by event.
#[derive(Clone, Debug, Default)]
pub struct Traced([u64; COUNTERS.len()]);

impl Traced {
    /// Adds the next event, times its weight.
    pub fn take(&mut self, event: &Event) {
        for (traced, (.., counted)) in self.0.iter_mut().zip(COUNTERS) {
            *traced += event.weight() * counted(&event.body);
        }
    }

    /// Every counter that the recording has and that its probes cover.
    #[must_use]
    pub fn reconcile(&self, meta: &Meta) -> Vec<Reconciled> {
        let known = COUNTERS.iter().zip(self.0).filter_map(|(&(counter, meaning, (probe, field), _), traced)| {
            let gained = *meta.vmstat_delta.get(counter)?;
            // An event that a missing hook would have seen is in the counter, and in no trace.
            let is_seen = meta.coverage(probe, field).has_all_hooks();
            is_seen.then_some(Reconciled { counter, meaning, gained, traced })
        });
        known.collect()
    }
}

/// Counters of a whole recording.
#[must_use]
pub fn reconcile(run: &Run) -> Vec<Reconciled> {
    let mut traced = Traced::default();
    run.events.iter().for_each(|e| traced.take(e));
    traced.reconcile(&run.meta)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit;

    #[test]
    fn system_wide_counters_may_exceed_the_trace() {
        let (meta, events) = testkit::lazy(8, 0..8);
        let all = reconcile(&Run::new(meta, events));
        let of = |name: &str| all.iter().find(|r| r.counter == name).expect("reconciled").difference();
        assert_eq!((of("mof_unmapped"), of("mof_migrated"), of("pgmigrate_success")), (0, 0, 3));
    }

    #[test]
    fn faults_without_a_class_say_nothing_of_hinting_faults() {
        let (mut meta, events) = testkit::direct(8);
        meta.vmstat_delta.insert("numa_hint_faults".into(), 5);
        let rows = |meta: &Meta| {
            let all = reconcile(&Run::new(meta.clone(), events.clone()));
            all.iter().filter(|r| r.counter == "numa_hint_faults").map(|r| r.traced).collect::<Vec<_>>()
        };
        assert_eq!(rows(&meta), [0]);
        let mut lacks = meta.probes[0].clone();
        (lacks.field, lacks.attached) = (Some("class".into()), None);
        meta.probes.push(lacks);
        assert_eq!(rows(&meta), [0; 0]);
    }

    #[test]
    fn checks_of_hinting_faults_are_not_migrate_on_faults() {
        let (meta, mut events) = testkit::lazy(8, 0..8);
        for event in &mut events {
            if let Body::Check(check) = &mut event.body {
                (check.path, check.policy) = (crate::event::CheckPath::Hinting, None);
            }
        }
        let all = reconcile(&Run::new(meta, events));
        let traced = |name: &str| all.iter().find(|r| r.counter == name).expect("reconciled").traced;
        assert_eq!((traced("mof_checked"), traced("mof_misplaced")), (0, 0));
    }

    #[test]
    fn a_counter_that_the_recording_does_not_have_is_left_out() {
        let (mut meta, events) = testkit::direct(8);
        meta.vmstat_delta.clear();
        assert_eq!(reconcile(&Run::new(meta, events)), []);
    }
}
