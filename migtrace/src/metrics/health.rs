//! Metrics of fidelity: lost events, attached probes, available views.

use super::{
    family::{Families, Labels, Value, labels},
    snapshot::Snapshot,
    table,
};
use strum::VariantArray;

use crate::{event::LossCause, recording::Fidelity};

pub(super) fn fill(families: &mut Families, snapshot: &Snapshot<'_>) {
    losses(families, snapshot);
    for probe in &snapshot.meta.probes {
        let by = labels([
            ("probe", Some(probe.probe.to_string())),
            ("field", probe.field.as_ref().map(ToString::to_string)),
            ("hook", probe.attached.clone()),
            ("fidelity", Some(probe.fidelity.to_string())),
        ]);
        // A probe with several hooks (one for each syscall) has several rows; equal labels are summed.
        families.add(&table::PROBE_ATTACHED, by, probe.attached.is_some().into());
    }
    for view in snapshot.views {
        for fidelity in Fidelity::VARIANTS {
            let by = Labels::from([("view", view.question.to_owned()), ("fidelity", fidelity.to_string())]);
            families.set(&table::VIEW, by, Value::Whole((view.fidelity == *fidelity).into()));
        }
    }
    families.set(&table::UNREADABLE, Labels::new(), Value::Whole(snapshot.counts.unreadable));
}

fn losses(families: &mut Families, snapshot: &Snapshot<'_>) {
    for (&probe, counted) in snapshot.counters {
        if !snapshot.meta.coverage(probe, None).is_available() {
            continue;
        }
        let of = || Labels::from([("probe", probe.name().to_owned())]);
        families.set(&table::SEEN, of(), Value::Whole(counted.seen));
        families.set(&table::STORED, of(), Value::Whole(counted.stored));
        families.set(&table::COUNTED, of(), Value::Whole(counted.aggregated_only));
        families.set(&table::FILTERED, of(), Value::Whole(counted.filtered));
        let causes = [
            (LossCause::RingFull, counted.ring_full),
            (LossCause::NoStart, counted.no_start),
            (LossCause::Uncounted, counted.table_full),
            (LossCause::Undecodable, snapshot.tally.undecodable(probe)),
        ];
        for (cause, count) in causes {
            let by = Labels::from([("probe", probe.name().to_owned()), ("cause", cause.word().to_owned())]);
            families.set(&table::LOST, by, Value::Whole(count));
        }
        if let Some(missed) = snapshot.cost.missed.get(&probe) {
            families.set(&table::MISSED, of(), Value::Whole(*missed));
        }
    }
}
