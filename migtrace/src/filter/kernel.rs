//! The part of a filter that the BPF programs apply before they make a record.
//!
//! It can pass events that the filter excludes: user space applies the whole filter again, and counts what it excludes. It
//! never excludes an event that passes the filter.

use std::num::NonZeroU32;

use migtrace_common::{
    config::{self, CPU_WORDS, FILTER_COMMS, FILTER_IDS, MIGRATE_REASONS, term},
    kinds::RecordKind,
    record::MASK_WORDS,
};

use super::{
    Filter,
    bounds::{self, Bounds},
    ranges::Ranges,
};
use crate::{
    decode::enums::cause_of_call,
    event::{Cause, Kind, KindSet},
};

/// A filter for the BPF programs: their settings, and what goes into maps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelFilter {
    pub settings: config::Filter,
    /// The processes for [`term::PID`].
    pub pids: Vec<u32>,
    /// The cgroups for [`term::CGROUP`].
    pub cgroups: Vec<u64>,
    /// The cgroups for [`term::UNDER_CGROUP`].
    pub root_cgroups: Vec<u64>,
}

/// What only the BPF programs can decide, because events do not show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelScope {
    /// Only tasks in these cgroups or below them; empty: all.
    pub cgroups: Vec<RootCgroup>,
    /// Only tasks of this user.
    pub uid: Option<u32>,
    /// One of this many faults, checks, marks and migrations is recorded.
    pub sample: Option<NonZeroU32>,
}

/// A cgroup that tasks must be in or below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootCgroup {
    pub id: u64,
    /// Its depth below the root; `None` if unknown.
    pub level: Option<u32>,
}

impl KernelFilter {
    /// Adds what only the BPF programs can decide.
    #[must_use]
    pub fn within(mut self, scope: &KernelScope) -> Self {
        let settings = &mut self.settings;
        if let Some(uid) = scope.uid {
            settings.uid = uid;
            settings.terms |= term::UID;
        }
        if let Some(sample) = scope.sample.filter(|n| n.get() > 1) {
            settings.sample = sample.get();
            settings.terms |= term::SAMPLE;
        }
        if !scope.cgroups.is_empty() {
            let levels = scope.cgroups.iter().map(|c| c.level.map_or(u32::MAX, |level| 1 << level));
            settings.cgroup_levels = levels.fold(0, |all, level| all | level);
            settings.terms |= term::UNDER_CGROUP;
            self.root_cgroups = scope.cgroups.iter().map(|c| c.id).collect();
        }
        self
    }
}

/// The part of `filter` that the BPF programs can apply. `cause` maps the running kernel's migrate_reason numbers to causes,
/// given the cause of the syscall around the migration.
#[must_use]
pub fn lower(filter: &Filter, cause: &dyn Fn(i32, Cause) -> Cause) -> KernelFilter {
    let mut lowered = KernelFilter::default();
    let wanted = filter.kinds();
    let settings = &mut lowered.settings;
    settings.kinds = kinds(wanted);
    if wanted.complement().iter().any(|kind| kind_of_record(kind).is_some()) {
        settings.terms |= term::KIND;
    }
    let recorded: KindSet = wanted.iter().filter(|kind| kind_of_record(*kind).is_some()).collect();
    let Some(bounds) = bounds::of_kinds(filter.predicate(), recorded) else { return lowered };
    ranges(settings, &bounds);
    masks(settings, &bounds);
    comms(settings, &bounds);
    causes(settings, &bounds, cause);
    if bounds.is_remote {
        settings.terms |= term::REMOTE;
    }
    if let Some(pids) = ids(bounds.pids.as_ref()) {
        lowered.pids = pids.into_iter().filter_map(|pid| pid.try_into().ok()).collect();
        lowered.settings.terms |= term::PID;
    }
    if let Some(cgroups) = ids(bounds.cgroups.as_ref()) {
        lowered.cgroups = cgroups.into_iter().filter_map(|id| id.try_into().ok()).collect();
        lowered.settings.terms |= term::CGROUP;
    }
    lowered
}

/// The record that becomes an event of a kind.
const fn kind_of_record(kind: Kind) -> Option<RecordKind> {
    match kind {
        Kind::Fault => Some(RecordKind::FAULT),
        Kind::Check => Some(RecordKind::CHECK),
        Kind::Mark => Some(RecordKind::MARK),
        Kind::Migrate => Some(RecordKind::MIGRATE),
        Kind::Batch => Some(RecordKind::BATCH),
        Kind::Request => Some(RecordKind::REQUEST),
        Kind::Task => Some(RecordKind::TASK),
        Kind::Phase => Some(RecordKind::PHASE),
        Kind::Region => Some(RecordKind::REGION),
        Kind::Place => Some(RecordKind::PLACE),
        Kind::Node | Kind::Census | Kind::Loss => None,
    }
}

/// A bit per record kind: all except those whose events cannot pass.
fn kinds(wanted: KindSet) -> u32 {
    let unwanted = wanted.complement().iter().filter_map(kind_of_record);
    unwanted.fold(u32::MAX, |mask, kind| mask & !(1 << kind.0))
}

fn ranges(settings: &mut config::Filter, bounds: &Bounds) {
    let range = |name| {
        let hull = bounds.number(name)?.hull()?;
        Some((u64::try_from(*hull.start()).ok()?, u64::try_from(*hull.end()).ok()?))
    };
    if let Some((first, last)) = range("addr") {
        (settings.addr_first, settings.addr_last) = (first, last);
        settings.terms |= term::ADDR;
    }
    if let Some((min, max)) = range("latency_ns") {
        (settings.latency_min_ns, settings.latency_max_ns) = (min, max);
        settings.terms |= term::LATENCY;
    }
}

fn masks(settings: &mut config::Filter, bounds: &Bounds) {
    if let Some(cpus) = bounds.number("cpu") {
        settings.cpus = mask::<CPU_WORDS>(cpus);
        settings.terms |= term::CPU;
    }
    let nodes = [
        (bounds.touched.as_ref(), &mut settings.touched_nodes, term::TOUCHED),
        (bounds.number("cpu_node"), &mut settings.cpu_nodes, term::CPU_NODE),
        (bounds.number("nid"), &mut settings.nodes, term::NID),
        (bounds.number("src_nid"), &mut settings.src_nodes, term::SRC_NID),
        (bounds.number("dst_nid"), &mut settings.dst_nodes, term::DST_NID),
    ];
    for (within, to, term) in nodes {
        if let Some(within) = within {
            *to = mask::<MASK_WORDS>(within);
            settings.terms |= term;
        }
    }
}

/// A set as bits, without the numbers beyond `WORDS`.
fn mask<const WORDS: usize>(within: &Ranges) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    for (i, word) in words.iter_mut().enumerate() {
        for bit in 0..64 {
            *word |= u64::from(within.contains((i * 64 + bit) as i128)) << bit;
        }
    }
    words
}

fn comms(settings: &mut config::Filter, bounds: &Bounds) {
    let Some(names) = bounds.comms.as_ref().filter(|names| names.len() <= FILTER_COMMS) else { return };
    // Bytes that are not UTF-8 print as U+FFFD, so a name with it can stand for several names.
    let exact = |name: &&String| name.len() < 16 && !name.contains(['\u{fffd}', '\0']);
    if !names.iter().all(|name| exact(&name)) {
        return;
    }
    for (to, name) in settings.comms.iter_mut().zip(names) {
        let mut bytes = [[0; 8]; 2];
        bytes.as_flattened_mut()[..name.len()].copy_from_slice(name.as_bytes());
        *to = bytes.map(u64::from_ne_bytes);
    }
    settings.comms_len = names.len() as u32;
    settings.terms |= term::COMM;
}

fn causes(settings: &mut config::Filter, bounds: &Bounds, cause: &dyn Fn(i32, Cause) -> Cause) {
    let Some(wanted) = &bounds.causes else { return };
    let calls = |of: &dyn Fn(Cause) -> Cause| {
        (0..8u8).fold(0, |mask, call| mask | u8::from(wanted.contains(&of(cause_of_call(call)))) << call)
    };
    for reason in 0..MIGRATE_REASONS {
        settings.causes[reason] = calls(&|call| cause(reason as i32, call));
    }
    settings.lazy_batch_causes = calls(&|call| call);
    settings.lazy_fault_cause = wanted.contains(&Cause::LazyFault).into();
    settings.terms |= term::CAUSE;
}

fn ids(within: Option<&Ranges>) -> Option<Vec<i128>> {
    within?.list(FILTER_IDS as usize)
}

/// Whether records of this kind can become events that pass; true for unknown kinds.
#[must_use]
pub fn wants_records(settings: &config::Filter, kind: RecordKind) -> bool {
    settings.terms & term::KIND == 0 || settings.kinds >> kind.0 & 1 == 1
}
