//! The summary as JSON. null is what the recording does not know.

use serde_json::{Value, json};

use super::{
    Summary,
    process::Process,
    tally::{MoveCount, Tally},
};
use crate::{container::Container, model::latency::Latencies, trace::FORMAT_VERSION};

impl Summary {
    /// The counts as JSON, with the `top` processes. docs/summary.md lists the fields.
    #[must_use]
    pub fn to_json(&self, name: &str, top: usize) -> Value {
        let (meta, counts) = (&self.meta, &self.counts);
        let (known, remote, unknown) = self.first_touches();
        let (moved_pages, failed_pages) = self.moved_pages();
        let rows: u64 = counts.kinds.values().map(|k| k.rows).sum();
        let kinds = counts.kinds.iter().filter(|(kind, _)| !kind.is_of_recorder());
        json!({
            "trace": name,
            "reads_format": FORMAT_VERSION,
            "truncated": self.truncated,
            "recording": {
                "format_version": meta.format_version,
                "migtrace_version": meta.migtrace_version,
                "kernel_release": meta.kernel_release,
                "kernel_patched": meta.kernel_patched,
                "hostname": meta.hostname,
                "machine": meta.machine,
                "command": meta.command,
                "command_status": meta.command_status,
                "start_ns": meta.start_ns,
                "end_ns": meta.end_ns,
                "wall_offset_ns": meta.wall_offset_ns,
                "wall_steps": meta.wall_steps,
                "filter": meta.filter,
                "sample": meta.sample,
            },
            "rows": rows,
            "filter": self.filtered.as_ref().map(|f| &f.filter),
            "of_rows": self.filtered.as_ref().map_or(rows, |f| f.of_rows),
            "events": self.events(),
            "first_ns": counts.first_ns,
            "last_ns": counts.last_ns,
            "kinds": kinds.map(|(k, n)| (k.to_string(), json!(n.events))).collect::<serde_json::Map<_, _>>(),
            "faults": counts.faults.iter().map(|(class, f)| json!({
                "class": class.map(|c| c.word()),
                "faults": f.faults,
                "major": class.map(|_| f.major),
                "local": f.local,
                "remote": f.remote,
                "unknown_node": f.unknown,
                "latency": times(&f.times),
            })).collect::<Vec<_>>(),
            "fault_results": tally(&counts.fault_results),
            "first_touches": {
                "fidelity": "estimated",
                "known_node": known,
                "remote": remote,
                "unknown_node": unknown,
            },
            "moved_pages": self.sees_moves().then_some(moved_pages),
            "failed_pages": self.sees_moves().then_some(failed_pages),
            "moves": counts.moves.iter().map(|((cause, src, dst), m)| {
                moves(json!({"cause": cause.word(), "src_nid": src, "dst_nid": dst}), m)
            }).collect::<Vec<_>>(),
            "move_latency": counts.move_times.iter().map(|(cause, t)| (cause.word().to_owned(), times(t)))
                .collect::<serde_json::Map<_, _>>(),
            "marks": tally(&counts.marks),
            "checks": tally(&counts.checks),
            "requests": counts.requests.iter().map(|(name, r)| json!({
                "name": name.word(), "calls": r.times.count(), "failed": r.failed, "latency": times(&r.times),
            })).collect::<Vec<_>>(),
            "migration_waits": counts.waits.longest().into_iter().take(top).map(|(pair, count)| json!({
                "pid": pair.waiter.pid,
                "process_start_ns": pair.waiter.start_ns,
                "migrated_by_pid": pair.migration.as_ref().map(|m| m.pid),
                "migrated_by_comm": pair.migration.as_ref().map(|m| &m.comm),
                "cause": pair.migration.as_ref().map(|m| m.cause.word()),
                "faults": count.faults,
                "total_ns": count.total_ns,
                "max_ns": count.max_ns,
            })).collect::<Vec<_>>(),
            "migration_wait_count": counts.waits.longest().len(),
            "numa_balancing": counts.scans.json(top, self.sees_balancing()),
            "numa_balancing_count": counts.scans.len(),
            "batches": counts.batches.iter().flat_map(|(cause, modes)| modes.iter().map(|(mode, b)| json!({
                "cause": cause.word(),
                "mode": mode,
                "batches": b.times.count(),
                "asked_pages": (b.without_asked == 0).then_some(b.asked_pages),
                "succeeded_pages": b.succeeded_pages,
                "failed_pages": b.failed_pages,
                "unmoved_pages": (b.without_unmoved == 0).then_some(b.unmoved_pages),
                "latency": times(&b.times),
            }))).collect::<Vec<_>>(),
            "tasks": counts.tasks.iter().map(|(what, n)| (what.word().to_owned(), json!(n)))
                .collect::<serde_json::Map<_, _>>(),
            "processes": self.top_processes(top).into_iter().map(|p| process(self, p)).collect::<Vec<_>>(),
            "process_count": counts.processes.list().len(),
            "places": counts.places.json(),
            "nodes": counts.nodes.json(),
            "census": self.census_json(),
            "loss": {
                "final": meta.end_ns.is_some(),
                "account": meta.account,
                "late_events": meta.late_events,
                "rows": counts.lost.iter().map(|(probe, causes)| (probe.clone(), tally(causes)))
                    .collect::<serde_json::Map<_, _>>(),
            },
            "probes": meta.probes,
            "own_cost": meta.own_cost,
        })
    }
}

fn moves(mut head: Value, moves: &MoveCount) -> Value {
    head["moved_pages"] = json!(moves.moved_pages);
    head["moved_folios"] = json!(moves.moved_folios);
    head["failed_pages"] = tally(&moves.failed_pages);
    head
}

fn process(summary: &Summary, p: &Process) -> Value {
    let cgroup = summary.cgroup(p);
    let details = summary.details(p);
    let container = cgroup.and_then(Container::of).map(|c| json!({ "runtime": c.runtime, "id": c.id }));
    json!({
        "pid": p.identity.pid,
        "process_start_ns": p.identity.start_ns,
        "comm": p.comm,
        "parent_pid": details.and_then(|d| d.parent_pid),
        "executable": details.and_then(|d| d.executable.as_ref()),
        "command_line": details.and_then(|d| d.command_line.as_ref()),
        "cgroup": cgroup,
        "container": container,
        "events": p.events,
        "faults": p.faults,
        "remote_faults": summary.remote_faults(p),
        "moved_pages": summary.moved_by(p),
        "stalled_ns": summary.stalled_ns(p),
    })
}

fn times(t: &Latencies) -> Value {
    json!({
        "count": t.count(),
        "total_ns": t.total_ns(),
        "min_ns": t.min_ns(),
        "p50_ns": t.median_ns(),
        "p90_ns": t.percentile_ns(90),
        "p99_ns": t.percentile_ns(99),
        "p999_ns": t.permille_ns(999),
        "max_ns": t.max_ns(),
    })
}

fn tally(tally: &Tally) -> Value {
    tally.iter().map(|(word, n)| (word.to_owned(), json!(n))).collect::<serde_json::Map<_, _>>().into()
}
