//! A recording with faults that waited for migrations.

use crate::{event::*, recording::Meta};

/// A fault that waited for 70 us until kcompactd0 had migrated its page.
pub fn waited(events: &[Event]) -> Event {
    let is_fault = |event: &&Event| matches!(event.body, Body::Fault(_));
    let mut event = events.iter().find(is_fault).expect("a fault").clone();
    let Body::Fault(fault) = &mut event.body else { unreachable!("as found") };
    (fault.class, fault.latency_ns) = (Some(FaultClass::MigrationWait), Some(70_000));
    fault.wait = Some(Box::new(Wait {
        cause: Cause::Compaction,
        pid: 40,
        tid: 40,
        comm: Comm::from("kcompactd0"),
        inaccessible_ns: 5_000,
    }));
    event
}

/// The direct run, then three waits for kcompactd0, two for a thread that called move_pages(2), and one for a migration
/// that no program saw.
pub fn waits() -> (Meta, Vec<Event>) {
    let (meta, mut events) = super::direct(8);
    let compaction = waited(&events);
    let of = |ns, wait: Option<(Cause, u32, &str)>| {
        let mut event = compaction.clone();
        if let Body::Fault(fault) = &mut event.body {
            fault.latency_ns = Some(ns);
            fault.wait = wait.map(|(cause, pid, comm)| {
                Box::new(Wait { cause, pid, tid: pid + 1, comm: Comm::from(comm), inaccessible_ns: 900 })
            });
        }
        event
    };
    let mover = Some((Cause::MovePages, 300, "numad-worker"));
    events.extend([compaction.clone(), of(2_500_000, mover), compaction.clone(), of(3_000_000, mover)]);
    events.extend([of(9_000, None), compaction.clone()]);
    let end_ns = events.iter().map(|event| event.ts_ns).max().unwrap_or(0);
    for (n, event) in events.iter_mut().rev().take(6).enumerate() {
        event.ts_ns = end_ns + 10_000 * (6 - n as u64);
    }
    (meta, events)
}
