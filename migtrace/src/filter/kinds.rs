//! Sets of kinds of events, and which columns each kind has.

use std::sync::LazyLock;

use strum::VariantArray;

use super::field::Field;
use crate::{
    event::{
        Access, Batch, Body, Cause, Check, Event, Fault, Kind, Loss, Mark, Migrate, Outcome, Phase, Region,
        RegionClass, Request, RequestName, Task, TaskEvent, Verdict,
    },
    trace::columns_used,
};

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindSet(u16);

impl KindSet {
    /// All kinds.
    #[must_use]
    pub fn all() -> Self {
        Kind::VARIANTS.iter().copied().collect()
    }

    #[must_use]
    pub const fn contains(self, kind: Kind) -> bool {
        self.0 >> kind as u16 & 1 == 1
    }

    /// All kinds that are not in it.
    #[must_use]
    pub fn complement(self) -> Self {
        Self(Self::all().0 & !self.0)
    }

    /// The kinds in it, in the order of [`Kind`].
    pub fn iter(self) -> impl Iterator<Item = Kind> {
        Kind::VARIANTS.iter().copied().filter(move |k| self.contains(*k))
    }
}

impl FromIterator<Kind> for KindSet {
    fn from_iter<T: IntoIterator<Item = Kind>>(kinds: T) -> Self {
        Self(kinds.into_iter().fold(0, |set, kind| set | 1 << kind as u16))
    }
}

/// Whether events of this kind can have a value in this column.
#[must_use]
pub fn has(kind: Kind, field: Field) -> bool {
    static USED: LazyLock<Vec<u128>> =
        LazyLock::new(|| Kind::VARIANTS.iter().map(|kind| columns_used(&Event::at(0, body(*kind)))).collect());
    USED[kind as usize] >> field.index() & 1 == 1
}

/// Something of each kind: which columns a kind has does not depend on what they hold.
fn body(kind: Kind) -> Body {
    let word = || "ok".into();
    match kind {
        Kind::Fault => Body::Fault(Fault {
            addr: 0,
            ip: None,
            access: Access::Read,
            class: None,
            major: None,
            nid: None,
            latency_ns: None,
            result: None,
        }),
        Kind::Check => Body::Check(Check {
            addr: 0,
            pfn: 0,
            order: 0,
            src_nid: 0,
            dst_nid: None,
            policy: None,
            interleaved: false,
            lazy: false,
            verdict: Verdict::Placed,
            reason: None,
        }),
        Kind::Mark => Body::Mark(Mark { addr: None, pfn: 0, nid: 0, order: 0, result: Outcome::Ok, reason: None }),
        Kind::Migrate => Body::from(Migrate {
            addr: None,
            old_pfn: 0,
            new_pfn: None,
            order: 0,
            src_nid: 0,
            dst_nid: None,
            cause: Cause::Other,
            result: Outcome::Ok,
            reason: None,
            latency_ns: None,
            unmap_ns: None,
            copy_ns: None,
            remap_ns: None,
        }),
        Kind::Batch => {
            let mode = word();
            Body::Batch(Batch {
                asked: None,
                succeeded: 0,
                failed: 0,
                unmoved: None,
                cause: Cause::Other,
                mode,
                latency_ns: 0,
            })
        }
        Kind::Request => Body::from(Request {
            name: RequestName::Mbind,
            addr: None,
            len: None,
            policy: None,
            flags: String::new(),
            nodemask: None,
            target_pid: None,
            ret: 0,
            latency_ns: 0,
        }),
        Kind::Task => {
            Body::Task(Task { what: TaskEvent::Exec, from_node: None, to_node: None, target_pid: None, pages: None })
        }
        Kind::Region => {
            let class = RegionClass::Other;
            Body::Region(Region { addr: 0, len: 0, class, name: String::new(), policy: None })
        }
        Kind::Phase => Body::Phase(Phase { text: String::new() }),
        Kind::Loss => Body::Loss(Loss { probe: String::new(), cause: String::new(), count: 0 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_its_columns() {
        let has = |kind, name| has(kind, Field::named(name));
        assert!(Kind::VARIANTS.iter().all(|k| has(*k, "pid") && has(*k, "cpu_node")));
        assert!(has(Kind::Fault, "ip") && has(Kind::Migrate, "dst_nid") && has(Kind::Request, "nodemask"));
        assert!(!has(Kind::Fault, "cause") && !has(Kind::Check, "latency_ns") && !has(Kind::Phase, "addr"));
    }

    #[test]
    fn sets_of_kinds_are_turned() {
        let set: KindSet = [Kind::Fault, Kind::Loss].into_iter().collect();
        assert!(set.contains(Kind::Loss) && !set.complement().contains(Kind::Loss));
        assert_eq!(set.complement().complement(), set);
        assert_eq!(KindSet::all().iter().count(), Kind::VARIANTS.len());
    }
}
