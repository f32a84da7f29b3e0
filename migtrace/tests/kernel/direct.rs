//! Direct migration: mbind(2) with MPOL_MF_MOVE migrates the pages while the caller waits.

use migtrace::event::{Body, Cause, Outcome, Policy};

use crate::support::{PAGES, WRITTEN_ON_1, assert_nested, record};

#[test]
fn eight_pages_migrate_inside_mbind_and_do_not_fault_again() {
    let run = record(&format!("{WRITTEN_ON_1}mbind seg bind+move 2\ntouch seg read\nverify seg\nwhere seg\n"));
    let (request_event, request) = run.migrating_mbind();
    assert_eq!((request.ret, request.policy, request.len), (0, Some(Policy::Bind), Some(PAGES * 4096)));
    assert_eq!(request.nodemask.as_ref().unwrap().nodes(), [2]);
    assert_eq!((request.flags.as_str(), request.is_lazy()), ("move", false));

    let moves = run.migrations();
    assert_eq!(moves.len() as u64, PAGES, "{:#?}", run.events);
    let mut addresses: Vec<_> = moves.iter().map(|(_, m)| m.addr.unwrap()).collect();
    addresses.sort_unstable();
    assert_eq!(addresses, run.segment());
    for (event, moved) in &moves {
        assert_eq!((moved.cause, moved.result, moved.order), (Cause::Mbind, Outcome::Ok, 0));
        assert_eq!((moved.src_nid, moved.dst_nid), (1, Some(2)));
        assert!(moved.new_pfn.is_some_and(|pfn| pfn != moved.old_pfn));
        let stages = [moved.unmap_ns, moved.copy_ns, moved.remap_ns].map(Option::unwrap);
        assert!(
            stages.iter().all(|&ns| ns > 0) && stages.iter().sum::<u64>() <= moved.latency_ns.unwrap(),
            "{moved:?}"
        );
        assert_nested(event, request_event);
    }

    let batches: Vec<_> = run.events.iter().filter(|e| matches!(e.body, Body::Batch(_))).collect();
    assert_eq!(batches.len(), 1);
    let Body::Batch(batch) = &batches[0].body else { unreachable!() };
    assert_eq!((batch.succeeded, batch.failed, batch.cause), (PAGES, 0, Cause::Mbind));
    assert_nested(batches[0], request_event);

    assert_eq!(run.later_faults(), [], "no page faults after its migration");
    assert!(run.marks().is_empty() && run.checks().is_empty());
    run.assert_lossless();
    run.assert_counters();
}

#[test]
fn each_command_of_the_workload_is_a_phase() {
    let run = record(&format!("{WRITTEN_ON_1}mbind seg bind+move 2\ntouch seg read\n"));
    let text = |body: &Body| if let Body::Phase(phase) = body { Some(phase.text.clone()) } else { None };
    let phases: Vec<_> = run.events.iter().filter_map(|e| text(&e.body)).collect();
    assert_eq!(phases.len(), 6, "{phases:?}");
    assert!(phases[4].starts_with("mbind seg bind+move 2"), "{phases:?}");
    let log = run.log();
    for page in 1..=PAGES {
        assert!(log.contains(&format!("page {page} of {PAGES}")), "page {page} is not in the log:\n{log}");
    }
}
