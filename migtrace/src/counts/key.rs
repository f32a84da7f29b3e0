//! Keys of counts, decoded from the programs' enum values by the same rules as records.

use migtrace_common::{
    kinds::{CheckPath, FaultClass as ClassNumber, FaultHook, MigratePath, RecordKind},
    record::NO_NODE,
    tally::{TallyKey, waited_for},
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
        /// Class `migration_wait`: cause of the migration that it waited for; `None` if no program saw that.
        wait_cause: Option<Cause>,
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
                let class = handled.then(|| enums::fault_class(ClassNumber(key.class), bits, names));
                let waited_for = waited_for(key.request).filter(|_| class == Some(FaultClass::MigrationWait));
                Self::Fault {
                    class,
                    major: handled.then(|| names.is_major(bits)),
                    result: handled.then(|| names.fault_result(bits)),
                    cpu_nid: from,
                    nid: to,
                    wait_cause: waited_for.map(|(reason, request)| enums::wait_cause(reason, request, names)),
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
    use migtrace_common::{kinds::RequestName, record::BY_LAZY_FAULT, tally::wait_code};

    use super::*;
    use crate::decode::names;

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
        let unseen =
            Sort::Fault { class: None, major: None, result: None, cpu_nid: Some(0), nid: None, wait_cause: None };
        assert_eq!(sort, unseen);
        let of_6_12 = names::tests::linux_6_12();
        let wait = |class: ClassNumber, request| {
            let handled = FaultHook::HANDLE_MM_FAULT.0;
            let key = TallyKey {
                kind: RecordKind::FAULT.0,
                class: class.0,
                outcome: handled,
                request,
                to_nid: NO_NODE,
                ..TallyKey::default()
            };
            match Sort::of(&key, &of_6_12).expect("a fault") {
                Sort::Fault { class, wait_cause, .. } => (class, wait_cause),
                other => panic!("{other:?}"),
            }
        };
        // MR_SYSCALL is 3.
        let in_move_pages = wait_code(3, RequestName::MOVE_PAGES.0);
        let migration_wait = Some(FaultClass::MigrationWait);
        assert_eq!(wait(ClassNumber::MIGRATION_WAIT, in_move_pages), (migration_wait, Some(Cause::MovePages)));
        let lazily = wait_code(BY_LAZY_FAULT, 0);
        assert_eq!(wait(ClassNumber::MIGRATION_WAIT, lazily), (migration_wait, Some(Cause::LazyFault)));
        assert_eq!(wait(ClassNumber::MIGRATION_WAIT, 0), (migration_wait, None));
        assert_eq!(wait(ClassNumber::ANON, in_move_pages), (Some(FaultClass::Anon), None));
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
