//! Events that do not fit into the ring are counted and reported as lost, and the account adds up.

use migtrace::event::{Body, Probe};

use crate::support::{WRITTEN_ON_1, record_with};

#[test]
fn with_a_ring_of_one_page_seen_is_stored_plus_lost() {
    let big = WRITTEN_ON_1.replace("8p", "4096p");
    let run = record_with(&["--ring-size", "4k"], &format!("{big}mbind seg bind+move 2\ntouch seg read\n"));
    let (mut seen, mut stored, mut lost) = (0, 0, 0);
    for account in &run.meta.account {
        assert_eq!(account.seen, account.stored + account.lost(), "{account:?}");
        seen += account.seen;
        stored += account.stored;
        lost += account.lost();
    }
    assert!(lost > 0, "a ring of one page cannot hold 4096 faults, but none is lost: {seen} seen");
    let reported: u64 = run.events.iter().map(|e| if let Body::Loss(l) = &e.body { l.count } else { 0 }).sum();
    assert_eq!(reported, lost, "each loss is an event in the trace too");
    let held = run.events.iter().filter(|e| !matches!(e.body, Body::Loss(_))).count() as u64;
    assert_eq!(held, stored);
    assert!(run.ended.stderr.contains("lost"), "{}", run.ended.stderr);
    let log = run.log();
    let faults = run.meta.account.iter().find(|a| a.probe == Probe::Fault).unwrap();
    assert!(
        log.contains(&format!("seen {} = stored {} + lost {}", faults.seen, faults.stored, faults.lost())),
        "the log's summary does not contain the number of lost faults:\n{log}"
    );
}
