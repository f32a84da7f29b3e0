//! Which columns each kind of event has.

use std::sync::LazyLock;

use strum::VariantArray;

use super::field::Field;
use crate::{
    event::{
        Access, Batch, Body, Cause, Check, CheckPath, Event, Fault, Kind, Loss, Mark, Migrate, Outcome, Phase, Region,
        RegionClass, Request, RequestName, Task, TaskEvent, Verdict, Work,
    },
    trace::columns_used,
};

/// Whether events of this kind can have a value in this column.
#[must_use]
pub fn has(kind: Kind, field: Field) -> bool {
    static USED: LazyLock<Vec<u128>> =
        LazyLock::new(|| Kind::VARIANTS.iter().map(|kind| columns_used(&Event::at(0, body(*kind)))).collect());
    USED[kind as usize] >> field.index() & 1 == 1
}

/// Something of each kind: which columns a kind has does not depend on what they hold.
fn body(kind: Kind) -> Body {
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
            path: CheckPath::LazyFault,
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
            let work = Work::Mark;
            Body::Batch(Batch {
                asked: None,
                succeeded: 0,
                failed: 0,
                unmoved: None,
                cause: Cause::Other,
                work,
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
}
