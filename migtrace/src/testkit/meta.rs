//! What a recording of literal events says about itself.

use std::collections::BTreeMap;

use crate::event::Probe;
use crate::event::*;
use crate::recording::Fidelity;
use crate::recording::*;

use super::START_NS;

/// Metadata in keeping with `events`: every probe attached, nothing lost.
pub(super) fn meta(events: &[Event], end_ns: u64) -> Meta {
    let node = |nid: i32| Node { nid, cpus: vec![nid as u32], mem_bytes: 2 << 30, distances: vec![10, 20, 20, 20] };
    let probes =
        Probe::ALL.into_iter().filter(|probe| !matches!(probe, Probe::HintingCheck | Probe::Region | Probe::Place));
    let stored = |probe: Probe| events.iter().filter(|e| e.body.probe() == Some(probe)).count() as u64;
    Meta {
        format_version: crate::trace::FORMAT_VERSION,
        migtrace_version: "0.1.0".into(),
        kernel_release: "6.12.117-migtrace".into(),
        kernel_patched: true,
        hostname: "vm".into(),
        machine: Some("tcg".into()),
        topology: Topology { nodes: (0..4).map(node).collect() },
        probes: probes.clone().map(hook).collect(),
        command: vec!["memtoy".into(), "script".into()],
        command_status: Some(0),
        start_ns: START_NS,
        end_ns: Some(end_ns),
        wall_offset_ns: 1_790_000_000_000_000_000,
        account: probes.map(|probe| account(probe, stored(probe))).collect(),
        vmstat_delta: vmstat(events),
        ..Meta::default()
    }
}

fn hook(probe: Probe) -> ProbeInfo {
    let attached = Some(format!("fentry {}", probe.name()));
    ProbeInfo { probe: probe.into(), field: None, attached, error: None, fidelity: Fidelity::Exact.into() }
}

fn account(probe: Probe, stored: u64) -> ProbeAccount {
    ProbeAccount { seen: stored, stored, ..ProbeAccount::empty(probe.into()) }
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
