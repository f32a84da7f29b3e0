//! How far the numbers can be trusted: what was lost, what is attached, what can be answered.

use super::{
    Snapshot,
    family::{Families, Labels, Value, labels},
    table,
};
use crate::recording::coverage;

/// What [`crate::doctor::View::fidelity`] can be.
const FIDELITIES: [&str; 3] = ["exact", "estimated", "unavailable"];

pub(super) fn fill(families: &mut Families, snapshot: &Snapshot<'_>) {
    losses(families, snapshot);
    for probe in &snapshot.meta.probes {
        let by = labels([
            ("probe", Some(probe.probe.clone())),
            ("field", probe.field.clone()),
            ("hook", probe.attached.clone()),
            ("fidelity", Some(probe.fidelity.clone())),
        ]);
        // Roles with alternatives (each system call) are several probes: what cannot be told apart counts together.
        families.add(&table::PROBE_ATTACHED, by, probe.attached.is_some().into());
    }
    for view in snapshot.views {
        for fidelity in FIDELITIES {
            let by = Labels::from([("view", view.question.to_owned()), ("fidelity", fidelity.to_owned())]);
            families.set(&table::VIEW, by, Value::Whole((view.fidelity == fidelity).into()));
        }
    }
    families.set(&table::UNREADABLE, Labels::new(), Value::Whole(snapshot.counts.unreadable));
}

fn losses(families: &mut Families, snapshot: &Snapshot<'_>) {
    for (&probe, counted) in snapshot.counters {
        if !coverage::is_attached(snapshot.meta, probe) {
            continue;
        }
        let of = || Labels::from([("probe", probe.to_owned())]);
        families.set(&table::SEEN, of(), Value::Whole(counted.seen));
        families.set(&table::STORED, of(), Value::Whole(counted.stored));
        families.set(&table::COUNTED, of(), Value::Whole(counted.aggregated_only));
        families.set(&table::FILTERED, of(), Value::Whole(counted.filtered));
        let causes = [
            ("ring_full", counted.ring_full),
            ("no_start", counted.no_start),
            ("uncounted", counted.table_full),
            ("undecodable", snapshot.tally.undecodable(probe)),
        ];
        for (cause, count) in causes {
            let by = Labels::from([("probe", probe.to_owned()), ("cause", cause.to_owned())]);
            families.set(&table::LOST, by, Value::Whole(count));
        }
        if let Some(missed) = snapshot.cost.missed.get(probe) {
            families.set(&table::MISSED, of(), Value::Whole(*missed));
        }
    }
}
