//! Counts made in the kernel, as metrics.

use std::collections::BTreeMap;

use super::{
    family::{Families, Value, labels, node},
    snapshot::Snapshot,
    table,
    text::seconds,
};
use crate::{
    counts::{Count, Sort},
    event::{Cause, FaultClass, Outcome, Reason},
    model::measure::Locality,
};

pub(super) fn fill(families: &mut Families, snapshot: &Snapshot<'_>) {
    for (sort, count) in &snapshot.counts.sorts {
        add(families, sort, count);
    }
    add_waits(families, snapshot);
}

fn add(families: &mut Families, sort: &Sort, count: &Count) {
    let text = |reason: &Option<Reason>| reason.as_ref().map(ToString::to_string);
    match sort {
        Sort::Fault { class, major, result, cpu_nid, nid, wait_cause: _ } => {
            let class = class.map(|class| class.word().to_owned());
            let by = labels([
                ("class", class.clone()),
                ("major", major.map(|major| major.to_string())),
                ("result", text(result)),
                ("cpu_node", node(*cpu_nid)),
                ("node", node(*nid)),
            ]);
            families.add(&table::FAULTS, by, count.events);
            let place = Locality::of(*cpu_nid, *nid).map(|locality| locality.word().to_owned());
            let by = labels([("class", class), ("place", place)]);
            families.add_times(&table::FAULT_LATENCY, by, &count.times);
        }
        Sort::Check { verdict, reason, src_nid, dst_nid } => {
            let by = labels([
                ("verdict", Some(verdict.word().to_owned())),
                ("reason", text(reason)),
                ("src_node", node(*src_nid)),
                ("dst_node", node(*dst_nid)),
            ]);
            families.add(&table::CHECKS, by.clone(), count.events);
            families.add(&table::CHECKED_PAGES, by, count.pages);
        }
        Sort::Mark { result, reason, nid } => {
            let by = labels([("result", outcome(*result)), ("reason", text(reason)), ("node", node(*nid))]);
            families.add(&table::MARKS, by.clone(), count.events);
            families.add(&table::MARKED_PAGES, by, count.pages);
        }
        Sort::Migrate { cause, result, reason, src_nid, dst_nid } => {
            let cause = Some(cause.word().to_owned());
            let by = labels([
                ("cause", cause.clone()),
                ("result", outcome(*result)),
                ("reason", text(reason)),
                ("src_node", node(*src_nid)),
                ("dst_node", node(*dst_nid)),
            ]);
            families.add(&table::MIGRATIONS, by.clone(), count.events);
            families.add(&table::MIGRATION_PAGES, by, count.pages);
            let by = labels([
                ("cause", cause),
                ("result", outcome(*result)),
                ("src_node", node(*src_nid)),
                ("dst_node", node(*dst_nid)),
            ]);
            families.add_times(&table::MIGRATION_LATENCY, by, &count.times);
        }
    }
}

/// Times are summed in ns: a sum of seconds could fall by rounding, which a scraper takes for a restart.
fn add_waits(families: &mut Families, snapshot: &Snapshot<'_>) {
    let mut by_cause: BTreeMap<Option<Cause>, (u64, u64)> = BTreeMap::new();
    for (sort, count) in &snapshot.counts.sorts {
        if let Sort::Fault { class: Some(FaultClass::MigrationWait), wait_cause, .. } = sort {
            let (faults, ns) = by_cause.entry(*wait_cause).or_default();
            *faults += count.events;
            *ns += count.times.total_ns;
        }
    }
    for (cause, (faults, ns)) in by_cause {
        let by = labels([("cause", cause.map(|cause| cause.word().to_owned()))]);
        families.set(&table::WAITS, by.clone(), Value::Whole(faults));
        families.set(&table::WAIT_SECONDS, by, Value::Fraction(seconds(ns)));
    }
}

fn outcome(result: Outcome) -> Option<String> {
    Some(result.word().to_owned())
}
