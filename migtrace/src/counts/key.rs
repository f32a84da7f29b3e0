//! Keys of counts, decoded from the programs' enum values by the same rules as records.

use migtrace_common::{
    kinds::{CheckPath, FaultClass as ClassNumber, FaultHook, MigratePath, RecordKind},
    record::NO_NODE,
    tally::TallyKey,
};
use thiserror::Error;

use crate::{
    decode::{enums, names::Names},
    event::{Cause, FaultClass, Outcome, Reason, Verdict},
};

/// What all events of one count have in common. A node is `None` if the kernel did not report it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// A user page fault.
    Fault {
        /// `None`, like `major` and `result`, if only the CPU exception was seen.
        class: Option<FaultClass>,
        major: Option<bool>,
        result: Option<Reason>,
        cpu_nid: Option<i32>,
        /// Node of the page after the fault.
        nid: Option<i32>,
    },
    /// A folio was checked against policy.
    Check { verdict: Verdict, reason: Option<Reason>, src_nid: Option<i32>, dst_nid: Option<i32> },
    /// A lazy mark of a folio, successful or failed.
    Mark { result: Outcome, reason: Option<Reason>, nid: Option<i32> },
    /// A folio migration, successful or failed.
    Migrate { cause: Cause, result: Outcome, reason: Option<Reason>, src_nid: Option<i32>, dst_nid: Option<i32> },
}

/// An enum value that this version does not know.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("a count with an unknown {what}: {value}")]
pub struct Unreadable {
    what: &'static str,
    value: u8,
}

impl Sort {
    /// Decodes a key.
    ///
    /// # Errors
    /// If an enum value is unknown.
    pub fn of(key: &TallyKey, names: &Names) -> Result<Self, Unreadable> {
        let [from, to] = [key.from_nid, key.to_nid].map(|nid| (nid != NO_NODE).then_some(nid));
        Ok(match RecordKind(key.kind) {
            RecordKind::FAULT => {
                let handled = FaultHook(key.outcome) == FaultHook::HANDLE_MM_FAULT;
                let bits = key.reason as u32;
                Self::Fault {
                    class: handled.then(|| enums::fault_class(ClassNumber(key.class), bits, names)),
                    major: handled.then(|| names.is_major(bits)),
                    result: handled.then(|| names.fault_result(bits)),
                    cpu_nid: from,
                    nid: to,
                }
            }
            RecordKind::CHECK => {
                let path = CheckPath(key.class);
                let (verdict, reason) = enums::verdict(path, key.reason, to, key.outcome != 0, names)
                    .ok_or(Unreadable { what: "way to check", value: key.class })?;
                Self::Check { verdict, reason, src_nid: from, dst_nid: to }
            }
            RecordKind::MARK => {
                let (result, reason) = enums::marked(key.reason, names);
                Self::Mark { result, reason, nid: from }
            }
            RecordKind::MIGRATE => {
                let cause = enums::cause(MigratePath(key.class), key.reason, key.request, names)
                    .ok_or(Unreadable { what: "migration path", value: key.class })?;
                let moved = key.outcome != 0;
                Self::Migrate {
                    cause,
                    result: if moved { Outcome::Ok } else { Outcome::Failed },
                    reason: (!moved && cause == Cause::LazyFault).then(|| names.mof_reason(key.reason)),
                    src_nid: from,
                    dst_nid: to,
                }
            }
            RecordKind(kind) => return Err(Unreadable { what: "kind", value: kind }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sort_reads_as_its_records_would() {
        let names = Names::default();
        let exception = TallyKey {
            kind: RecordKind::FAULT.0,
            outcome: FaultHook::EXCEPTION.0,
            to_nid: NO_NODE,
            ..TallyKey::default()
        };
        let sort = Sort::of(&exception, &names).expect("a fault");
        assert_eq!(sort, Sort::Fault { class: None, major: None, result: None, cpu_nid: Some(0), nid: None });
        let checked_elsewhere = TallyKey {
            kind: RecordKind::CHECK.0,
            class: CheckPath::HINTING.0,
            from_nid: 2,
            to_nid: 1,
            ..TallyKey::default()
        };
        let sort = Sort::of(&checked_elsewhere, &names).expect("a check");
        let misplaced = Sort::Check { verdict: Verdict::Misplaced, reason: None, src_nid: Some(2), dst_nid: Some(1) };
        assert_eq!(sort, misplaced);
        let unknown = TallyKey { kind: RecordKind::MIGRATE.0, class: 9, ..TallyKey::default() };
        assert_eq!(Sort::of(&unknown, &names), Err(Unreadable { what: "migration path", value: 9 }));
        let unknown = TallyKey { kind: 99, ..TallyKey::default() };
        assert_eq!(Sort::of(&unknown, &names), Err(Unreadable { what: "kind", value: 99 }));
    }
}
