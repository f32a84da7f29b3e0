//! Lazy migration: mbind(2) with MPOL_MF_LAZY only marks; each page moves in the fault that touches it.

use std::fs;

use migtrace::event::{Outcome, Verdict};

use crate::{
    requirements::needs,
    support::{PAGES, Run, WRITTEN_ON_1, assert_inside, assert_lazy_moves, migtrace, record, texts},
};

/// Asserts that the request marked all pages, and moved none.
fn assert_marked(run: &Run) {
    let (request_event, request) = run.move_request();
    assert_eq!((request.ret, request.is_lazy()), (0, true));
    let marks = run.marks();
    let mut addresses: Vec<_> = marks.iter().map(|(_, m)| m.addr.unwrap()).collect();
    addresses.sort_unstable();
    assert_eq!(addresses, run.segment());
    for (event, mark) in marks {
        assert_eq!((mark.result, mark.nid, mark.order), (Outcome::Ok, 1, 0));
        assert_inside(event, request_event);
    }
    assert!(run.migrations().iter().all(|(e, _)| e.ts_ns > request_event.ts_ns), "nothing moves inside the request");
}

#[test]
fn eight_pages_are_marked_and_each_moves_in_its_own_fault() {
    needs!(migrate_on_fault);
    let run = record(&format!("{WRITTEN_ON_1}mbind seg bind+move+lazy 2\ntouch seg read\nverify seg\nwhere seg\n"));
    assert_marked(&run);
    assert_lazy_moves(&run, &run.segment());
    run.assert_lossless();
    run.assert_counters();
}

#[test]
fn pages_that_are_not_touched_stay_marked() {
    needs!(migrate_on_fault);
    let touches = "touch seg 1p 1p read\ntouch seg 4p 1p read\n";
    let run = record(&format!("{WRITTEN_ON_1}mbind seg bind+move+lazy 2\n{touches}where seg\n"));
    assert_marked(&run);
    let segment = run.segment();
    assert_lazy_moves(&run, &[segment[1], segment[4]]);
    // move_pages(2), which does not fault, is the witness: two pages on node 2, six not present.
    assert!(run.ended.stdout.contains(&format!("{PAGES} pages: node 2: 2, absent: 6")), "{}", run.ended.stdout);
    run.assert_lossless();
    run.assert_counters();
}

#[test]
fn pages_on_an_allowed_node_are_neither_marked_nor_moved() {
    needs!(migrate_on_fault);
    let run = record(&format!("{WRITTEN_ON_1}mbind seg bind+move+lazy 1,2\ntouch seg read\nverify seg\nwhere seg\n"));
    assert_eq!(run.move_request().1.ret, 0);
    assert!(run.marks().is_empty() && run.migrations().is_empty(), "{:#?}", run.events);
    assert_eq!(run.later_faults(), []);
    assert!(!run.ended.stdout.contains("absent"), "{}", run.ended.stdout);
    run.assert_counters();
}

#[test]
fn a_query_of_the_node_faults_and_so_moves_the_page() {
    needs!(migrate_on_fault);
    let run = record(&format!("{WRITTEN_ON_1}mbind seg bind+move+lazy 2\ngetpol seg 3p\nwhere seg\n"));
    assert_marked(&run);
    assert_lazy_moves(&run, &[run.segment()[3]]);
    let query = run.requests().into_iter().find(|(_, r)| r.flags == "node|addr").unwrap();
    assert_eq!(query.1.addr, Some(run.segment()[3]));
    assert_inside(run.migrations()[0].0, query.0);
    let log = run.log();
    assert!(log.contains("the query itself migrated"), "the log says that the query moved the page:\n{log}");
}

#[test]
fn with_the_switch_off_nothing_is_checked_and_lazy_is_refused() {
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
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("lazy.memtoy");
    fs::write(&script, format!("{WRITTEN_ON_1}mbind seg bind+lazy 2\n")).unwrap();
    let output = migtrace().arg("memtoy").arg(&script).output().unwrap();
    let (_, stderr) = texts(&output);
    assert!(!output.status.success() && stderr.contains("EINVAL"), "{stderr}");
}

#[test]
fn checks_say_placed_where_the_page_is_where_policy_wants_it() {
    needs!(migrate_on_fault);
    // Marked for node 2; then the policy names node 1 again, where the pages still are.
    let run =
        record(&format!("{WRITTEN_ON_1}mbind seg bind+move+lazy 2\nmbind seg bind+move+lazy 1\ntouch seg read\n"));
    let placed = run.checks().iter().filter(|(_, c)| c.verdict == Verdict::Placed).count() as u64;
    assert_eq!((placed, run.migrations().len()), (PAGES, 0), "{:#?}", run.checks());
    run.assert_counters();
}

const SWITCH: &str = "/proc/sys/vm/migrate_on_fault";

/// vm.migrate_on_fault, set back to its default in the end, also when the test fails.
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
