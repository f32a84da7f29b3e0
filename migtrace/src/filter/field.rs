//! The columns of a trace in expressions: name, type, and the words that a column can hold.

use std::{ops::RangeInclusive, sync::LazyLock};

use arrow::datatypes::DataType;
use strum::VariantNames;

use crate::{
    event::{Access, Cause, Kind, NodeChange, PlaceWord, Policy, RequestName, Verdict},
    trace::COLUMNS,
    units::Unit,
};

/// A column, by its number in [`COLUMNS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Field(usize);

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// Integers of this domain, in this unit.
    Number {
        domain: RangeInclusive<i128>,
        unit: Unit,
    },
    Flag,
    Text(Words),
}

/// What a text column can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// Only these.
    Only(&'static [&'static str]),
    /// These, and others.
    Among(&'static [&'static str]),
    /// Anything.
    Any,
}

/// Task events and changes of place.
const WHAT: &[&str] = &[
    "fork",
    "exec",
    "exit",
    "moved",
    "scanned",
    "collapse",
    "cow",
    "swap_in",
    "ksm",
    "remap",
    "unmap",
    "migrate",
    "map_around",
    "uffd",
];

/// The classes of faults and mappings.
const CLASSES: &[&str] = &[
    "anon",
    "file",
    "shmem",
    "swap",
    "hinting",
    "cow",
    "huge",
    "migration_wait",
    "userfault",
    "hugetlb",
    "device",
    "hwpoison",
    "stack",
    "heap",
    "other",
];
/// The results of faults, marks and migrations.
const RESULTS: &[&str] = &["ok", "failed", "retry", "oom", "sigbus", "sigsegv", "hwpoison", "hwpoison_large"];
/// Modes of migrate_pages(), and of a syscall that marks its pages.
const MODES: &[&str] = &["async", "sync_light", "sync", "sync_no_copy", "lazy"];

impl Field {
    /// The column of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        COLUMNS.iter().position(|c| c.name == name).map(Self)
    }

    /// A column that is known to exist.
    ///
    /// # Panics
    /// There is no such column.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self::by_name(name).expect("a column of the trace")
    }

    /// The column `kind`.
    pub(super) fn kind() -> Self {
        static KIND: LazyLock<Field> = LazyLock::new(|| Field::named("kind"));
        *KIND
    }

    /// All columns.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..COLUMNS.len()).map(Self)
    }

    /// Its number in [`COLUMNS`].
    #[must_use]
    pub fn index(self) -> usize {
        self.0
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        COLUMNS[self.0].name
    }

    /// Whether events of this kind can have a value in it.
    #[must_use]
    pub fn is_of(self, kind: Kind) -> bool {
        COLUMNS[self.0].kinds.contains(&kind)
    }

    #[must_use]
    pub fn holds(self) -> Type {
        let number = |domain| Type::Number { domain, unit: self.unit() };
        let column = &COLUMNS[self.0];
        match (&column.data_type, column.unsigned) {
            (DataType::Boolean, _) => Type::Flag,
            (DataType::Int32, false) => number(i32::MIN.into()..=i32::MAX.into()),
            (DataType::Int64, false) => number(i64::MIN.into()..=i64::MAX.into()),
            (DataType::Int32, true) => number(0..=u32::MAX.into()),
            (DataType::Int64, true) => number(0..=u64::MAX.into()),
            _ => Type::Text(self.words()),
        }
    }

    fn unit(self) -> Unit {
        match self.name() {
            "len" | "mem_bytes" | "free_bytes" => Unit::Size,
            name if name.ends_with("_ns") => Unit::Time,
            _ => Unit::None,
        }
    }

    fn words(self) -> Words {
        match self.name() {
            "kind" => Words::Only(Kind::VARIANTS),
            "access" => Words::Only(Access::VARIANTS),
            "class" => Words::Only(CLASSES),
            "policy" => Words::Only(Policy::VARIANTS),
            "verdict" => Words::Only(Verdict::VARIANTS),
            // Loss has its own causes, but no filter is applied to loss.
            "cause" | "wait_cause" => Words::Only(Cause::VARIANTS),
            "what" => Words::Only(WHAT),
            "place" => Words::Only(PlaceWord::VARIANTS),
            "change" => Words::Only(NodeChange::VARIANTS),
            "result" => Words::Only(RESULTS),
            "mode" => Words::Among(MODES),
            "name" => Words::Among(RequestName::VARIANTS),
            _ => Words::Any,
        }
    }
}

impl Words {
    /// The words that it lists.
    #[must_use]
    pub fn listed(self) -> &'static [&'static str] {
        match self {
            Self::Only(words) | Self::Among(words) => words,
            Self::Any => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{FaultClass, KindSet, Outcome, RegionClass};
    use crate::event::{PlaceChange, TaskEvent};

    #[test]
    fn a_kind_has_its_columns() {
        let has = |kind, name| Field::named(name).is_of(kind);
        assert!(KindSet::all().iter().all(|k| has(k, "pid") && has(k, "cpu_node")));
        assert!(has(Kind::Fault, "ip") && has(Kind::Migrate, "dst_nid") && has(Kind::Request, "nodemask"));
        assert!(!has(Kind::Fault, "cause") && !has(Kind::Check, "latency_ns") && !has(Kind::Phase, "addr"));
    }

    #[test]
    fn lists_that_are_written_out_hold_the_words_of_events() {
        let has = |list: &[&str], words: &[&str]| words.iter().all(|w| list.contains(w));
        assert!(has(CLASSES, FaultClass::VARIANTS) && has(CLASSES, RegionClass::VARIANTS));
        assert!(has(RESULTS, Outcome::VARIANTS));
        assert!(has(WHAT, TaskEvent::VARIANTS) && has(WHAT, PlaceChange::VARIANTS));
    }
}
