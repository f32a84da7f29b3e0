//! Decodes records into events: checks length and version, and names kernel enum values. A bad record is an error here
//! and a count for the reader; reading continues.

use std::{mem::offset_of, num::NonZeroU32};

use migtrace_common::{
    ABI_VERSION,
    counters::Probe,
    kinds::{self, RecordKind, RequestName as RequestKind},
    record::{self, FaultDetails, Header, NO_ADDR, NO_MODE, NO_NODE, NO_PFN, NO_TIME, OWNER_IS_ACTOR},
};
use thiserror::Error;
use zerocopy::{FromBytes, Immutable, KnownLayout};

use super::{
    enums::{cause, cause_of_call, fault_class, marked, verdict, wait_cause},
    mempolicy,
    names::Names,
};
use crate::event::{
    Access, Batch, Body, Cause, Check, CheckPath, Comm, Event, Fault, Mark, Migrate, NodeMask, Outcome, Owner,
    OwnerProcess, Phase, Place, PlaceChange, ProcessId, Region, RegionClass, Request, RequestName, Task, TaskEvent,
    Verdict, Wait, Work, escape_control,
};

/// Why a record could not be decoded.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    #[error("record too short: {len} bytes, its kind has {wanted}")]
    Short { len: usize, wanted: usize },
    #[error("record of ABI version {found}, expected {ABI_VERSION}")]
    Abi { found: u8 },
    #[error("record of unknown kind {0}")]
    Kind(u8),
    #[error("record with unknown {what} {value}")]
    Value { what: &'static str, value: u64 },
}

/// The probe of a record, if that much of it can be read.
#[must_use]
pub fn probe_of(bytes: &[u8]) -> Option<Probe> {
    let (number, _) = u16::read_from_prefix(bytes.get(offset_of!(Header, probe)..)?).ok()?;
    Probe::ALL.get(usize::from(number)).copied()
}

/// Decodes one record.
///
/// # Errors
/// [`DecodeError`], if the record is not of this version.
pub fn decode(bytes: &[u8], names: &Names) -> Result<Event, DecodeError> {
    let header: Header = read(bytes)?;
    if header.abi != ABI_VERSION {
        return Err(DecodeError::Abi { found: header.abi });
    }
    let mut page_owner = Owner::Actor;
    let body = match RecordKind(header.kind) {
        RecordKind::FAULT => Body::Fault(fault(&read(bytes)?, names)?),
        RecordKind::FAULT_DETAILS => {
            let details: FaultDetails = read(bytes)?;
            page_owner = owner(&details.owner);
            Body::Fault(Fault { wait: wait(&details.wait, names), ..fault(&details.fault, names)? })
        }
        RecordKind::CHECK => {
            let record: record::Check = read(bytes)?;
            page_owner = owner(&record.owner);
            check(&record, names, node(header.cpu_node))?
        }
        RecordKind::MARK => {
            let record: record::Mark = read(bytes)?;
            page_owner = owner(&record.owner);
            mark(&record, names)
        }
        RecordKind::MIGRATE => {
            let record: record::Migrate = read(bytes)?;
            page_owner = owner(&record.owner);
            migrate(&record, names)?
        }
        RecordKind::BATCH => batch(&read(bytes)?, names),
        RecordKind::REQUEST => request(&read(bytes)?)?,
        RecordKind::TASK => task(&read(bytes)?)?,
        RecordKind::PHASE => phase(&read(bytes)?),
        RecordKind::REGION => region(&read(bytes)?),
        RecordKind::PLACE => {
            let record: record::Place = read(bytes)?;
            page_owner = owner(&record.owner);
            place(&record)?
        }
        RecordKind(kind) => return Err(DecodeError::Kind(kind)),
    };
    Ok(Event {
        ts_ns: header.ts_ns,
        cpu: header.cpu,
        cpu_node: node(header.cpu_node),
        pid: header.pid,
        tid: header.tid,
        comm: Comm::from_bytes(header.comm),
        cgroup_id: header.cgroup_id,
        process_start_ns: None,
        owner: if page_owner_is(&page_owner, header.pid) { Owner::Actor } else { page_owner },
        weight: NonZeroU32::new(header.weight),
        kernel_stack: None,
        user_stack: None,
        body,
    })
}

fn read<T: FromBytes + KnownLayout + Immutable>(bytes: &[u8]) -> Result<T, DecodeError> {
    let short = |_| DecodeError::Short { len: bytes.len(), wanted: size_of::<T>() };
    T::read_from_prefix(bytes).map(|(record, _)| record).map_err(short)
}

fn owner(r: &record::Owner) -> Owner {
    match r.pid {
        0 => Owner::Unknown,
        OWNER_IS_ACTOR => Owner::Actor,
        pid => Owner::Other(Box::new(OwnerProcess {
            process: ProcessId { pid, start_ns: Some(r.start_ns) },
            comm: Comm::from_bytes(r.comm),
            cgroup_id: r.cgroup_id,
        })),
    }
}

/// Whether the owner is the process `pid`, which acts.
fn page_owner_is(owner: &Owner, pid: u32) -> bool {
    matches!(owner, Owner::Other(owner) if owner.process.pid == pid)
}

fn place(r: &record::Place) -> Result<Body, DecodeError> {
    Ok(Body::Place(Box::new(Place {
        what: match kinds::PlaceChange(r.what) {
            kinds::PlaceChange::COLLAPSE => PlaceChange::Collapse,
            kinds::PlaceChange::COW => PlaceChange::Cow,
            kinds::PlaceChange::SWAP_IN => PlaceChange::SwapIn,
            kinds::PlaceChange::KSM => PlaceChange::Ksm,
            kinds::PlaceChange::REMAP => PlaceChange::Remap,
            kinds::PlaceChange::UNMAP => PlaceChange::Unmap,
            kinds::PlaceChange::MIGRATE => PlaceChange::Migrate,
            kinds::PlaceChange::MAP_AROUND => PlaceChange::MapAround,
            kinds::PlaceChange::UFFD => PlaceChange::Uffd,
            kinds::PlaceChange(value) => {
                return Err(DecodeError::Value { what: "change of place", value: value.into() });
            }
        },
        addr: r.addr,
        len: r.len,
        from_addr: known(r.from_addr, NO_ADDR),
        src_nid: node(r.src_nid),
        dst_nid: node(r.dst_nid),
    })))
}

fn wait(r: &record::Wait, names: &Names) -> Option<Box<Wait>> {
    (r.tid != 0).then(|| {
        Box::new(Wait {
            cause: wait_cause(r.migrate_reason, r.request, names),
            pid: r.pid,
            tid: r.tid,
            comm: Comm::from_bytes(r.comm),
            inaccessible_ns: r.inaccessible_ns,
        })
    })
}

/// A page has `1 << PAGE_SHIFT` bytes.
const PAGE_SHIFT: u32 = 12;

/// Bits of the CPU's error code (Intel SDM vol. 3, 4.7).
const ERROR_WRITE: u32 = 1 << 1;
const ERROR_FETCH: u32 = 1 << 4;

fn fault(r: &record::Fault, names: &Names) -> Result<Fault, DecodeError> {
    let (write, exec, handled) = match kinds::FaultHook(r.hook) {
        kinds::FaultHook::HANDLE_MM_FAULT => {
            let (write, exec) = names.access(r.flags);
            (write, exec, true)
        }
        kinds::FaultHook::EXCEPTION => (r.flags & ERROR_WRITE != 0, r.flags & ERROR_FETCH != 0, false),
        kinds::FaultHook(hook) => {
            return Err(DecodeError::Value { what: "hook of a fault", value: hook.into() });
        }
    };
    let access = if write {
        Access::Write
    } else if exec {
        Access::Exec
    } else {
        Access::Read
    };
    Ok(Fault {
        addr: r.addr,
        ip: (r.ip != 0).then_some(r.ip),
        access,
        class: handled.then(|| fault_class(kinds::FaultClass(r.class), r.result, names)),
        major: handled.then(|| names.is_major(r.result)),
        nid: node(r.nid),
        order: node(r.nid).and_then(|_| u32::from(r.map_shift).checked_sub(PAGE_SHIFT)),
        latency_ns: known(r.latency_ns, NO_TIME),
        result: handled.then(|| names.fault_result(r.result)),
        wait: None,
    })
}

fn check(r: &record::Check, names: &Names, cpu_node: Option<i32>) -> Result<Body, DecodeError> {
    let dst_nid = node(r.dst_nid);
    let on_page_node = cpu_node == Some(r.src_nid);
    let (verdict, reason) = verdict(kinds::CheckPath(r.path), r.reason, dst_nid, on_page_node, names)
        .ok_or(DecodeError::Value { what: "way to check", value: r.path.into() })?;
    // A check that is skipped before it reads the policy has no target, and its mode is meaningless.
    let asked = (verdict != Verdict::Skipped || dst_nid.is_some()) && r.mode != NO_MODE;
    Ok(Body::Check(Check {
        addr: r.addr,
        pfn: r.pfn,
        order: r.order,
        src_nid: r.src_nid,
        path: if r.path == kinds::CheckPath::HINTING.0 { CheckPath::Hinting } else { CheckPath::LazyFault },
        dst_nid,
        policy: asked.then(|| mempolicy::mode(u64::from(r.mode))).flatten(),
        interleaved: r.interleave != 0,
        lazy: r.lazy != 0,
        verdict,
        reason,
    }))
}

fn mark(r: &record::Mark, names: &Names) -> Body {
    let (result, reason) = marked(r.reason, names);
    Body::Mark(Mark { addr: known(r.addr, NO_ADDR), pfn: r.pfn, nid: r.nid, order: r.order, result, reason })
}

fn migrate(r: &record::Migrate, names: &Names) -> Result<Body, DecodeError> {
    let moved = r.migrated != 0;
    let cause = cause(kinds::MigratePath(r.path), r.migrate_reason, r.request, names)
        .ok_or(DecodeError::Value { what: "migration path", value: r.path.into() })?;
    let reason = (!moved && cause == Cause::LazyFault).then(|| names.mof_reason(r.mof_reason));
    Ok(Body::from(Migrate {
        addr: known(r.addr, NO_ADDR),
        old_pfn: r.old_pfn,
        new_pfn: known(r.new_pfn, NO_PFN).filter(|_| moved),
        order: r.order,
        src_nid: r.src_nid,
        dst_nid: node(r.dst_nid),
        cause,
        result: if moved { Outcome::Ok } else { Outcome::Failed },
        reason,
        latency_ns: known(r.latency_ns, NO_TIME),
        unmap_ns: known(r.unmap_ns, NO_TIME),
        copy_ns: known(r.copy_ns, NO_TIME),
        remap_ns: known(r.remap_ns, NO_TIME),
        mappings: (r.mappings != 0).then_some(r.mappings),
    }))
}

fn batch(r: &record::Batch, names: &Names) -> Body {
    let lazy = r.mode < 0;
    let call = cause_of_call(r.request);
    Body::from(Batch {
        asked: known(r.requested, u64::MAX),
        succeeded: r.succeeded,
        failed: r.failed,
        unmoved: known(r.migrated, u64::MAX).and_then(|moved| r.succeeded.checked_sub(moved)),
        thp_split: (r.thp_split != u32::MAX).then_some(r.thp_split),
        cause: if lazy { call } else { names.cause(r.migrate_reason, call) },
        work: if lazy { Work::Mark } else { Work::Migrate(names.migrate_mode(r.mode)) },
        latency_ns: r.latency_ns,
    })
}

fn request(r: &record::Request) -> Result<Body, DecodeError> {
    let name = match RequestKind(r.name) {
        RequestKind::MBIND => RequestName::Mbind,
        RequestKind::SET_MEMPOLICY => RequestName::SetMempolicy,
        RequestKind::GET_MEMPOLICY => RequestName::GetMempolicy,
        RequestKind::MOVE_PAGES => RequestName::MovePages,
        RequestKind::MIGRATE_PAGES => RequestName::MigratePages,
        RequestKind::SET_MEMPOLICY_HOME_NODE => RequestName::SetMempolicyHomeNode,
        RequestKind(name) => return Err(DecodeError::Value { what: "request", value: name.into() }),
    };
    let has_range = matches!(name, RequestName::Mbind | RequestName::SetMempolicyHomeNode);
    let has_addr = has_range || (name == RequestName::GetMempolicy && mempolicy::asks_for_addr(r.flags));
    let has_mode = matches!(name, RequestName::Mbind | RequestName::SetMempolicy);
    let names_process = matches!(name, RequestName::MovePages | RequestName::MigratePages);
    Ok(Body::from(Request {
        name,
        addr: has_addr.then_some(r.addr),
        len: (has_range || name == RequestName::MovePages).then_some(r.len),
        policy: has_mode.then(|| mempolicy::mode(r.policy)).flatten(),
        flags: mempolicy::flags(name, r.policy, r.flags),
        // The kernel expects maxnode to be one more than the bits of the mask.
        nodemask: (r.has_mask != 0).then(|| NodeMask::from_words(&r.nodemask, r.maxnode.saturating_sub(1))),
        target_pid: (names_process && r.target_pid != 0).then_some(r.target_pid),
        ret: r.ret,
        latency_ns: r.latency_ns,
    }))
}

fn task(r: &record::Task) -> Result<Body, DecodeError> {
    let what = match kinds::TaskEvent(r.what) {
        kinds::TaskEvent::FORK => TaskEvent::Fork,
        kinds::TaskEvent::EXEC => TaskEvent::Exec,
        kinds::TaskEvent::EXIT => TaskEvent::Exit,
        kinds::TaskEvent::CHANGED_NODE => TaskEvent::Moved,
        kinds::TaskEvent::SCANNED => TaskEvent::Scanned,
        kinds::TaskEvent(what) => return Err(DecodeError::Value { what: "task event", value: what.into() }),
    };
    Ok(Body::Task(Task {
        what,
        from_node: node(r.from_node),
        to_node: node(r.to_node),
        target_pid: (r.child_pid != 0).then_some(r.child_pid),
        pages: None,
        latency_ns: (what == TaskEvent::Scanned).then_some(r.latency_ns),
    }))
}

fn phase(r: &record::Phase) -> Body {
    let len = (r.len as usize).min(r.text.len());
    Body::Phase(Phase { text: escape_control(&String::from_utf8_lossy(&r.text[..len])) })
}

fn region(r: &record::Region) -> Body {
    let class = match kinds::RegionClass(r.class) {
        kinds::RegionClass::ANON => RegionClass::Anon,
        kinds::RegionClass::FILE => RegionClass::File,
        kinds::RegionClass::SHMEM => RegionClass::Shmem,
        kinds::RegionClass::HUGETLB => RegionClass::Hugetlb,
        kinds::RegionClass::STACK => RegionClass::Stack,
        kinds::RegionClass::HEAP => RegionClass::Heap,
        _ => RegionClass::Other,
    };
    let name = r.name.split(|&byte| byte == 0).next().unwrap_or_default();
    Body::Region(Region {
        addr: r.addr,
        len: r.len,
        class,
        name: escape_control(&String::from_utf8_lossy(name)),
        policy: if r.mode == NO_MODE { None } else { mempolicy::mode(u64::from(r.mode)) },
    })
}

fn known(value: u64, unknown: u64) -> Option<u64> {
    (value != unknown).then_some(value)
}

fn node(nid: i32) -> Option<i32> {
    (nid != NO_NODE).then_some(nid)
}
