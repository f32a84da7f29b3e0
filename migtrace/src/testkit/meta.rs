//! What a recording of literal events says about itself.

use std::collections::BTreeMap;

use crate::event::*;
use crate::recording::*;

use super::START_NS;

/// Metadata in keeping with `events`: every probe attached, nothing lost.
pub(super) fn meta(events: &[Event], end_ns: u64) -> Meta {
    let node = |nid: i32| Node { nid, cpus: vec![nid as u32], mem_bytes: 2 << 30, distances: vec![10, 20, 20, 20] };
    let names =
        ["fault", "check", "mark", "lazy_migrate", "direct_migrate", "batch", "lazy_batch", "request", "task", "phase"];
    let stored = |name: &str| events.iter().filter(|e| probe_of(&e.body) == name).count() as u64;
    Meta {
        format_version: crate::trace::FORMAT_VERSION,
        migtrace_version: "0.1.0".into(),
        kernel_release: "6.12.117-migtrace".into(),
        kernel_patched: true,
        hostname: "vm".into(),
        machine: Some("tcg".into()),
        topology: Topology { nodes: (0..4).map(node).collect() },
        probes: names.iter().map(|name| probe(name)).collect(),
        command: vec!["memtoy".into(), "script".into()],
        command_status: Some(0),
        start_ns: START_NS,
        end_ns: Some(end_ns),
        wall_offset_ns: 1_790_000_000_000_000_000,
        account: names.iter().map(|name| account(name, stored(name))).collect(),
        vmstat_delta: vmstat(events),
        ..Meta::default()
    }
}

fn probe(name: &str) -> ProbeInfo {
    let attached = Some(format!("fentry {name}"));
    ProbeInfo { probe: name.into(), field: None, attached, error: None, fidelity: "exact".into() }
}

fn account(name: &str, stored: u64) -> ProbeAccount {
    ProbeAccount { probe: name.into(), seen: stored, stored, ..ProbeAccount::default() }
}

fn probe_of(body: &Body) -> &'static str {
    match body {
        Body::Migrate(m) if m.cause == Cause::LazyFault => "lazy_migrate",
        Body::Migrate(_) => "direct_migrate",
        Body::Batch(b) if b.work.is_mark() => "lazy_batch",
        other => other.kind(),
    }
}

fn vmstat(events: &[Event]) -> BTreeMap<String, i64> {
    let count = |want: fn(&Body) -> bool| events.iter().filter(|e| want(&e.body)).count() as i64;
    let moved = count(|b| matches!(b, Body::Migrate(m) if m.result == Outcome::Ok));
    [
        ("pgmigrate_success", moved + 3),
        ("pgmigrate_fail", 0),
        ("mof_unmapped", count(|b| matches!(b, Body::Mark(_)))),
        ("mof_checked", count(|b| matches!(b, Body::Check(_)))),
        ("mof_misplaced", count(|b| matches!(b, Body::Check(c) if c.verdict == Verdict::Misplaced))),
        ("mof_migrated", count(|b| matches!(b, Body::Migrate(m) if m.cause == Cause::LazyFault))),
        ("mof_failed", 0),
    ]
    .map(|(name, value)| (name.to_string(), value))
    .into()
}
