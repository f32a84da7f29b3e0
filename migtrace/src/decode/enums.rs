//! Kernel enum values as enums of [`crate::event`], by one rule for records and counts.

use migtrace_common::{
    kinds::{self, RequestName as RequestKind},
    record::BY_LAZY_FAULT,
};

use super::names::Names;
use crate::event::{Cause, FaultClass, Outcome, PLACED_OR_DEFERRED, Reason, Verdict};

/// The class of a fault with these VM_FAULT_* bits; `Other` for a value that this version does not know.
pub(crate) fn fault_class(class: kinds::FaultClass, result: u32, names: &Names) -> FaultClass {
    // The kernel calls no function of its own for such a fault.
    if names.is_poisoned(result) {
        return FaultClass::Hwpoison;
    }
    match class {
        kinds::FaultClass::ANON => FaultClass::Anon,
        kinds::FaultClass::FILE => FaultClass::File,
        kinds::FaultClass::SHMEM => FaultClass::Shmem,
        kinds::FaultClass::SWAP => FaultClass::Swap,
        kinds::FaultClass::HINTING => FaultClass::Hinting,
        kinds::FaultClass::COW => FaultClass::Cow,
        kinds::FaultClass::HUGE => FaultClass::Huge,
        kinds::FaultClass::MIGRATION_WAIT => FaultClass::MigrationWait,
        kinds::FaultClass::USERFAULT => FaultClass::Userfault,
        kinds::FaultClass::HUGETLB => FaultClass::Hugetlb,
        kinds::FaultClass::DEVICE => FaultClass::Device,
        _ => FaultClass::Other,
    }
}

/// Verdict of a check, and why it was skipped; `None` for an unknown path.
pub(crate) fn verdict(
    path: kinds::CheckPath,
    reason: i32,
    dst_nid: Option<i32>,
    on_page_node: bool,
    names: &Names,
) -> Option<(Verdict, Option<Reason>)> {
    Some(match path {
        kinds::CheckPath::LAZY_FAULT => {
            let word = names.mof_reason(reason);
            match &*word {
                "placed" => (Verdict::Placed, None),
                "misplaced" => (Verdict::Misplaced, None),
                _ => (Verdict::Skipped, Some(word)),
            }
        }
        kinds::CheckPath::HINTING if dst_nid.is_some() => (Verdict::Misplaced, None),
        kinds::CheckPath::HINTING if on_page_node => (Verdict::Placed, None),
        // mpol_misplaced() returns no target if the policy is satisfied, and also if it defers the migration until the
        // page is touched from this node again. A tracer cannot tell these cases apart.
        kinds::CheckPath::HINTING => (Verdict::Skipped, Some(PLACED_OR_DEFERRED.into())),
        kinds::CheckPath(_) => return None,
    })
}

/// Whether a page was marked, and why not.
pub(crate) fn marked(reason: i32, names: &Names) -> (Outcome, Option<Reason>) {
    let word = names.mof_reason(reason);
    if &*word == "unmapped" { (Outcome::Ok, None) } else { (Outcome::Failed, Some(word)) }
}

/// Cause of a migration; `None` for an unknown path.
pub(crate) fn cause(path: kinds::MigratePath, migrate_reason: i32, request: u8, names: &Names) -> Option<Cause> {
    match path {
        kinds::MigratePath::LAZY_FAULT => Some(Cause::LazyFault),
        kinds::MigratePath::DIRECT => Some(names.cause(migrate_reason, cause_of_call(request))),
        kinds::MigratePath(_) => None,
    }
}

/// Cause of the migration that a fault waited for.
pub(crate) fn wait_cause(migrate_reason: i32, request: u8, names: &Names) -> Cause {
    match migrate_reason {
        BY_LAZY_FAULT => Cause::LazyFault,
        reason => names.cause(reason, cause_of_call(request)),
    }
}

/// The cause of migrations inside a placement syscall, or in the work of a cpuset.
pub(crate) fn cause_of_call(request: u8) -> Cause {
    match RequestKind(request) {
        RequestKind::MBIND => Cause::Mbind,
        RequestKind::MOVE_PAGES => Cause::MovePages,
        RequestKind::MIGRATE_PAGES => Cause::MigratePages,
        RequestKind::CPUSET => Cause::Cpuset,
        _ => Cause::Other,
    }
}
