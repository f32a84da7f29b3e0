//! Lazy migration: mbind(2) with MPOL_MF_LAZY only marks pages. Each page migrates in the fault that touches it.

use std::fs;

use migtrace::event::{Outcome, Verdict};

use crate::{
    requirements::needs,
    support::{PAGES, Run, WRITTEN_ON_1, assert_lazy_migrations, assert_nested, migtrace, record, texts},
};

/// Asserts that the mbind marked all pages and migrated none.
fn assert_marked(run: &Run) {
    let (request_event, request) = run.migrating_mbind();
    assert_eq!((request.ret, request.is_lazy()), (0, true));
    let marks = run.marks();
    let mut addresses: Vec<_> = marks.iter().map(|(_, m)| m.addr.unwrap()).collect();
    addresses.sort_unstable();
    assert_eq!(addresses, run.segment());
    for (event, mark) in marks {
        assert_eq!((mark.result, mark.nid, mark.order), (Outcome::Ok, 1, 0));
        assert_nested(event, request_event);
    }
    assert!(run.migrations().iter().all(|(e, _)| e.ts_ns > request_event.ts_ns), "no page migrates inside the mbind");
}

#[test]
fn eight_pages_are_marked_and_each_migrates_in_its_own_fault() {
    needs!(migrate_on_fault);
    let run = record(&format!("{WRITTEN_ON_1}mbind seg bind+move+lazy 2\ntouch seg read\nverify seg\nwhere seg\n"));
    assert_marked(&run);
    assert_lazy_migrations(&run, &run.segment());
    run.assert_lossless();
    run.assert_counters();
}

#[test]
fn untouched_pages_stay_marked() {
    needs!(migrate_on_fault);
    let touches = "touch seg 1p 1p read\ntouch seg 4p 1p read\n";
    let run = record(&format!("{WRITTEN_ON_1}mbind seg bind+move+lazy 2\n{touches}where seg\n"));
    assert_marked(&run);
    let segment = run.segment();
    assert_lazy_migrations(&run, &[segment[1], segment[4]]);
    // `where` reads the nodes by move_pages(2), which does not fault: two pages on node 2, six not present.
    assert!(run.ended.stdout.contains(&format!("{PAGES} pages: node 2: 2, absent: 6")), "{}", run.ended.stdout);
    run.assert_lossless();
    run.assert_counters();
}

#[test]
fn pages_on_an_allowed_node_are_neither_marked_nor_migrated() {
    needs!(migrate_on_fault);
    let run = record(&format!("{WRITTEN_ON_1}mbind seg bind+move+lazy 1,2\ntouch seg read\nverify seg\nwhere seg\n"));
    assert_eq!(run.migrating_mbind().1.ret, 0);
    assert!(run.marks().is_empty() && run.migrations().is_empty(), "{:#?}", run.events);
    assert_eq!(run.later_faults(), []);
    assert!(!run.ended.stdout.contains("absent"), "{}", run.ended.stdout);
    run.assert_counters();
}

#[test]
fn a_query_of_the_node_faults_and_migrates_the_page() {
    needs!(migrate_on_fault);
    let run = record(&format!("{WRITTEN_ON_1}mbind seg bind+move+lazy 2\ngetpol seg 3p\nwhere seg\n"));
    assert_marked(&run);
    assert_lazy_migrations(&run, &[run.segment()[3]]);
    let query = run.requests().into_iter().find(|(_, r)| r.flags == "node|addr").unwrap();
    assert_eq!(query.1.addr, Some(run.segment()[3]));
    assert_nested(run.migrations()[0].0, query.0);
    let log = run.log();
    assert!(
        log.contains("the query itself migrated"),
        "the log does not report that the query migrated the page:\n{log}"
    );
}

#[test]
fn with_migrate_on_fault_off_nothing_is_checked_and_lazy_is_refused() {
    needs!(migrate_on_fault);
    let switch = Switch::set("0");
    let run = record(&format!("{WRITTEN_ON_1}mbind seg bind 2\ntouch seg read\n"));
    assert!(run.checks().is_empty() && run.marks().is_empty() && run.migrations().is_empty());
    run.assert_counters();
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("lazy.memtoy");
    fs::write(&script, format!("{WRITTEN_ON_1}mbind seg bind+move+lazy 2\n")).unwrap();
    let output = migtrace().arg("memtoy").arg(&script).output().unwrap();
    let (_, stderr) = texts(&output);
    assert!(!output.status.success() && stderr.contains("EINVAL"), "{stderr}");
    drop(switch);
    assert_eq!(fs::read_to_string(SWITCH).unwrap().trim(), "1");
}

#[test]
fn lazy_without_move_is_refused() {
    // Other kernels know no such flag, and refuse it for that reason.
    needs!(migrate_on_fault);
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("lazy.memtoy");
    fs::write(&script, format!("{WRITTEN_ON_1}mbind seg bind+lazy 2\n")).unwrap();
    let output = migtrace().arg("memtoy").arg(&script).output().unwrap();
    let (_, stderr) = texts(&output);
    assert!(!output.status.success() && stderr.contains("EINVAL"), "{stderr}");
}

#[test]
fn checks_of_pages_on_a_node_of_their_policy_are_placed() {
    needs!(migrate_on_fault);
    // The pages are marked for node 2. Then the policy names node 1 again, and the pages are still on node 1.
    let run =
        record(&format!("{WRITTEN_ON_1}mbind seg bind+move+lazy 2\nmbind seg bind+move+lazy 1\ntouch seg read\n"));
    let placed = run.checks().iter().filter(|(_, c)| c.verdict == Verdict::Placed).count() as u64;
    assert_eq!((placed, run.migrations().len()), (PAGES, 0), "{:#?}", run.checks());
    run.assert_counters();
}

const SWITCH: &str = "/proc/sys/vm/migrate_on_fault";

/// vm.migrate_on_fault with another value. The default is restored on drop, also if the test fails.
struct Switch;

impl Switch {
    fn set(value: &str) -> Self {
        fs::write(SWITCH, value).unwrap();
        Self
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        fs::write(SWITCH, "1").unwrap();
    }
}
