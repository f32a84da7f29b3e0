//! Bounds of a predicate, column by column: what every event that it holds for satisfies.
//!
//! Every event that the predicate holds for is within the bounds; the reverse is not true. AND intersects bounds, and OR
//! takes the smallest bounds around both, which keeps that property.

use std::collections::{BTreeMap, BTreeSet};

use strum::VariantArray;

use super::{
    field::Field,
    predicate::{Predicate, Relation, TextTest},
    ranges::Ranges,
};
use crate::event::{Cause, Kind, KindSet};

/// Bounds. A column without bounds can have any value, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bounds {
    numbers: BTreeMap<Field, Ranges>,
    /// `pid` or `owner_pid` is in this set.
    pub(super) pids: Option<Ranges>,
    /// `cgroup_id` or `owner_cgroup_id` is in this set.
    pub(super) cgroups: Option<Ranges>,
    /// `comm` or `owner_comm` is one of these.
    pub(super) comms: Option<BTreeSet<String>>,
    pub(super) causes: Option<BTreeSet<Cause>>,
    /// At least one of [`NODES`] is in this set.
    pub(super) touched: Option<Ranges>,
    /// `nid` and `cpu_node` are both known and differ.
    pub(super) is_remote: bool,
}

/// The columns of nodes that an event touches.
pub(super) const NODES: [&str; 4] = ["cpu_node", "nid", "src_nid", "dst_nid"];

impl Bounds {
    /// The bounds of the number in this column.
    pub(super) fn number(&self, name: &str) -> Option<&Ranges> {
        self.numbers.get(&Field::named(name))
    }

    /// The intersection; `None` if it is empty.
    fn and(mut self, other: Self) -> Option<Self> {
        for (field, within) in other.numbers {
            let both = self.numbers.get(&field).map_or_else(|| within.clone(), |w| w.and(&within));
            if both.is_empty() {
                return None;
            }
            self.numbers.insert(field, both);
        }
        self.causes = cut(self.causes, other.causes, |a, b| a & b);
        // Different columns can satisfy the two, so they cannot be intersected. Either alone is a bound.
        self.touched = self.touched.or(other.touched);
        self.pids = self.pids.or(other.pids);
        self.cgroups = self.cgroups.or(other.cgroups);
        self.comms = self.comms.or(other.comms);
        self.is_remote |= other.is_remote;
        let nothing = self.causes.as_ref().is_some_and(BTreeSet::is_empty);
        (!nothing).then_some(self)
    }

    /// The smallest bounds around both.
    fn or(mut self, other: &Self) -> Self {
        self.numbers = self
            .numbers
            .into_iter()
            .filter_map(|(field, within)| Some((field, within.or(other.numbers.get(&field)?))))
            .collect();
        self.comms = self.comms.zip(other.comms.as_ref()).map(|(a, b)| &a | b);
        self.causes = self.causes.zip(other.causes.as_ref()).map(|(a, b)| &a | b);
        let union = |a: Option<Ranges>, b: &Option<Ranges>| a.zip(b.as_ref()).map(|(a, b)| a.or(b));
        self.touched = union(self.touched, &other.touched);
        self.pids = union(self.pids, &other.pids);
        self.cgroups = union(self.cgroups, &other.cgroups);
        self.is_remote &= other.is_remote;
        self
    }
}

fn cut<T>(a: Option<T>, b: Option<T>, both: impl Fn(&T, &T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(both(&a, &b)),
        (a, b) => a.or(b),
    }
}

/// The kinds of events that a predicate can hold for.
pub(super) fn kinds(predicate: &Predicate) -> KindSet {
    Kind::VARIANTS.iter().copied().filter(|kind| of_kind(predicate, *kind).is_some()).collect()
}

/// The bounds of a predicate for events of these kinds; `None` if it holds for none of them.
pub(super) fn of_kinds(predicate: &Predicate, kinds: KindSet) -> Option<Bounds> {
    kinds.iter().filter_map(|kind| of_kind(predicate, kind)).reduce(|a, b| a.or(&b))
}

fn of_kind(predicate: &Predicate, kind: Kind) -> Option<Bounds> {
    match predicate {
        Predicate::All(parts) => {
            parts.iter().try_fold(Bounds::default(), |bounds, part| bounds.and(of_kind(part, kind)?))
        }
        Predicate::Any(parts) => parts.iter().filter_map(|part| of_kind(part, kind)).reduce(|a, b| a.or(&b)),
        Predicate::Kind(kinds) => kinds.contains(kind).then(Bounds::default),
        Predicate::Has { field, has } => (!has || field.is_of(kind)).then(Bounds::default),
        Predicate::Number { field, within } => field.is_of(kind).then(|| of_number(*field, within)),
        Predicate::Flag { field, .. } => field.is_of(kind).then(Bounds::default),
        Predicate::Text { field, test, holds } => field.is_of(kind).then(|| of_text(*field, test, *holds))?,
        Predicate::Pair { left, relation, right } => {
            let has = left.is_of(kind) && right.is_of(kind);
            let names = [left.name(), right.name()];
            let is_remote =
                *relation == Relation::NotEqual && (names == ["nid", "cpu_node"] || names == ["cpu_node", "nid"]);
            has.then(|| Bounds { is_remote, ..Bounds::default() })
        }
    }
}

fn of_number(field: Field, within: &Ranges) -> Bounds {
    let among = |names: &[&str]| names.contains(&field.name()).then(|| within.clone());
    Bounds {
        touched: among(&NODES),
        pids: among(&["pid", "owner_pid"]),
        cgroups: among(&["cgroup_id", "owner_cgroup_id"]),
        numbers: BTreeMap::from([(field, within.clone())]),
        ..Bounds::default()
    }
}

fn of_text(field: Field, test: &TextTest, holds: bool) -> Option<Bounds> {
    let mut bounds = Bounds::default();
    match (field.name(), test) {
        ("comm" | "owner_comm", TextTest::OneOf(names)) if holds => {
            bounds.comms = Some(names.iter().cloned().collect())
        }
        ("cause", test) => {
            let wanted = |c: &&Cause| test.holds(c.word()) == holds;
            let causes: BTreeSet<Cause> = Cause::VARIANTS.iter().filter(wanted).copied().collect();
            if causes.is_empty() {
                return None;
            }
            bounds.causes = Some(causes);
        }
        _ => {}
    }
    Some(bounds)
}
