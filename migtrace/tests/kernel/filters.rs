//! Filters and samples that the kernel applies: the recording has only selected events, and all others are counted.

use std::{
    fs,
    num::NonZeroU32,
    os::unix::fs::MetadataExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use migtrace::{
    event::{Body, Cause, Event, Probe},
    filter::Filter,
    live::attach::REJECTED,
};

use crate::{
    recorder::{Recorder, TIMEOUT},
    support::{PAGES, Run, Script, WRITTEN_ON_1, migtrace, record_with, texts},
};

/// Records a script that migrates a segment from node 1 to node 2, and touches it.
fn migrate_to_2(options: &[&str], pages: u64) -> Run {
    let written = WRITTEN_ON_1.replace("8p", &format!("{pages}p"));
    record_with(options, &format!("{written}mbind seg bind+move 2\ntouch seg read\n"))
}

/// Asserts that `filter` selects every event of the recording. Returns the number of filtered events.
fn assert_only(run: &Run, filter: &str) -> u64 {
    let filter: Filter = filter.parse().unwrap();
    for event in &run.events {
        assert!(filter.wants(event), "{filter} does not select {event:?}");
    }
    run.assert_lossless();
    assert_eq!(run.meta.filter, Some(filter.to_string()));
    for probe in run.meta.probes.iter().filter(|p| p.attached.is_none()) {
        assert!(!probe.error.as_ref().is_some_and(|e| e.contains(REJECTED)), "{probe:?}");
    }
    run.meta.account.iter().map(|a| a.filtered).sum()
}

#[test]
fn batches_without_migrate_events_have_no_count_of_freed_pages() {
    let run = migrate_to_2(&["--filter", "kind == batch"], PAGES);
    let batches: Vec<_> = run.batches().iter().map(|(_, b)| (b.succeeded, b.unmoved)).collect();
    assert_eq!(batches, [(PAGES, None)]);
}

/// The last folio of a batch is complete only when the batch ends, also on a CPU that the filter excludes.
#[test]
fn every_migration_on_an_excluded_cpu_counts_as_filtered() {
    let run = record_with(&["--filter", "cpu_node == 3"], &format!("cpu 0\n{WRITTEN_ON_1}mbind seg bind+move 2\n"));
    let account = run.meta.account.iter().find(|a| a.probe == Probe::DirectMigrate).unwrap();
    assert_eq!((account.seen, account.filtered), (0, PAGES));
    assert_eq!(run.migrations().len(), 0);
}

#[test]
fn only_migrations_are_recorded_if_the_filter_selects_only_them() {
    let options = ["--kind", "migrate", "--cause", "mbind", "--node-pair", "1:2"];
    let run = migrate_to_2(&options, PAGES);
    let filtered = assert_only(&run, "src_nid == 1 && dst_nid == 2 && kind == migrate && cause == mbind");
    assert_eq!(run.migrations().len() as u64, PAGES, "{:#?}", run.events);
    assert!(filtered > 0, "placement syscalls are seen, because migrations need their cause, and filtered");
    let fault = run.meta.probes.iter().find(|p| p.probe == Probe::Fault).unwrap();
    assert_eq!((fault.attached.as_deref(), fault.error.as_deref()), (None, Some("excluded by the filter")));
    let none = migrate_to_2(&["--kind", "migrate", "--cause", "compaction"], PAGES);
    assert_only(&none, "kind == migrate && cause == compaction");
    assert!(none.migrations().is_empty());
    assert!(
        none.meta.account.iter().any(|a| a.probe == Probe::DirectMigrate && a.filtered == PAGES),
        "{:?}",
        none.meta
    );
}

#[test]
fn every_recorded_event_matches_the_filter_expression() {
    // `must_match`: whether the workload certainly causes such events.
    for (filter, must_match) in [
        ("kind == fault && nid != cpu_node", true),
        (
            "cpu in [0, 1, 2, 3] && cpu_node in [0, 1, 2, 3] && comm == \"migtrace\" && cgroup_id > 0 && cgroup_id < 999",
            true,
        ),
        ("(cpu_node == 3 || nid == 1 || src_nid == 1 || dst_nid == 1) && kind != task", true),
        ("nid == 1 && addr >= 0x600000000000 && addr < 0x7fffffffffff && latency_ns >= 1ns", true),
        ("dst_nid == 1 || major == true && tid == 0", false),
    ] {
        let run = migrate_to_2(&["--filter", filter], PAGES);
        assert_only(&run, filter);
        assert!(!must_match || !run.events.is_empty(), "{filter}: {:?}", run.meta.account);
    }
}

#[test]
fn events_filtered_in_user_space_are_counted_as_filtered() {
    let run = migrate_to_2(&["--filter", "kind == request && flags.contains(\"move\")"], PAGES);
    assert_eq!(run.requests().len(), 1, "{:#?}", run.events);
    let account = run.meta.account.iter().find(|a| a.probe == Probe::Request).unwrap();
    assert_eq!((account.seen, account.stored, account.filtered), (1, 1, 1), "the other mbind only sets a policy");
}

#[test]
fn a_min_latency_above_all_latencies_filters_all_events() {
    let whole = migrate_to_2(&["--kind", "fault"], PAGES);
    let none = migrate_to_2(&["--kind", "fault", "--min-latency", "100s"], PAGES);
    assert!(none.faults().is_empty());
    let filtered = none.meta.account.iter().find(|a| a.probe == Probe::Fault).unwrap().filtered;
    assert!(filtered >= whole.faults().len() as u64 / 2, "{filtered} of about {}", whole.faults().len());
}

#[test]
fn user_and_cgroup_filters_select_their_events() {
    let ours = migrate_to_2(&["--uid", "0", "--cgroup", "/"], PAGES);
    assert_eq!(ours.migrations().len() as u64, PAGES);
    assert_eq!(ours.meta.filter.as_deref(), Some("in cgroup /, of user 0"));
    let other_users = migrate_to_2(&["--uid", "65534"], PAGES);
    assert!(other_users.events.is_empty(), "{:#?}", other_users.events);
    assert!(other_users.meta.account.iter().any(|a| a.probe == Probe::Fault && a.filtered > PAGES));
    let output = migtrace().args(["record", "--cgroup", "/no/such", "--", "true"]).output().unwrap();
    let (_, stderr) = texts(&output);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("no cgroup /sys/fs/cgroup/no/such"), "{stderr}");
}

#[test]
fn a_container_is_selected_by_its_cgroup() {
    let id = &"c0ffee".repeat(11)[..64];
    let parent = Path::new("/sys/fs/cgroup/docker");
    let dir = parent.join(id);
    fs::create_dir_all(&dir).unwrap();
    let script = Script::new(&format!("{WRITTEN_ON_1}mbind seg bind+move 2\n"));
    let enter = "echo $$ > \"$0\"/cgroup.procs; exec \"$@\"";
    let argv = ["sh".into(), "-c".into(), enter.into(), dir.clone().into_os_string()];
    let argv: Vec<_> = argv.into_iter().chain(script.argv().map(Into::into)).collect();
    let run = Recorder::start(&["--container", "c0ffee"], &argv).finish();
    let number = fs::metadata(&dir).unwrap().ino();
    for path in [&*dir, parent] {
        // The kernel allows the removal of a cgroup only a moment after its last process exited.
        let began = Instant::now();
        while fs::remove_dir(path).is_err() && began.elapsed() < TIMEOUT {
            thread::sleep(Duration::from_millis(50));
        }
    }
    assert_eq!(run.meta.filter.as_deref(), Some("in container c0ffee"));
    assert_eq!(run.migrations().len() as u64, PAGES);
    assert!(run.events.iter().all(|event| event.cgroup_id == number), "{number}: {:#?}", run.events);
    let output = migtrace().arg("summary").arg(&run.ended.trace).args(["--container", "c0ff"]).output().unwrap();
    let (stdout, stderr) = texts(&output);
    assert!(output.status.success() && stdout.contains("docker c0ffeec0ffee"), "{stdout}\n{stderr}");
    let output = migtrace().args(["record", "--container", "c0ffee", "--", "true"]).output().unwrap();
    let (_, stderr) = texts(&output);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("no container c0ffee on this host"), "{stderr}");
}

#[test]
fn weights_of_sampled_events_estimate_the_total() {
    const MANY: u64 = 4096;
    let run = migrate_to_2(&["--sample", "4", "--ring-size", "1m"], MANY);
    run.assert_lossless();
    assert_eq!(run.meta.sample, NonZeroU32::new(4));
    let estimated: u64 =
        run.migrations().iter().filter(|(_, m)| m.cause == Cause::Mbind).map(|(e, _)| e.weight()).sum();
    // The estimate from a sample of 1 in 4 of 4096 events has a standard deviation of 111.
    assert!(estimated.abs_diff(MANY) < 6 * 111, "{estimated}");
    let sampled = |e: &&Event| matches!(e.body, Body::Fault(_) | Body::Migrate(_));
    assert!(run.events.iter().filter(sampled).all(|e| e.weight == NonZeroU32::new(4)));
    assert!(run.requests().iter().all(|(e, _)| e.weight.is_none()), "placement syscalls are not sampled");
    let moves = run.meta.account.iter().find(|a| a.probe == Probe::DirectMigrate).unwrap();
    assert_eq!(moves.seen + moves.sampled_out, MANY, "{moves:?}");
    assert_eq!(run.requests().len(), 2);
}
