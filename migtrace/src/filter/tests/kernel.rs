//! The kernel's part of a filter: what it says in simple cases, and that it stops nothing that is wanted.

use migtrace_common::{
    config::{self, term},
    kinds::RecordKind,
};
use proptest::prelude::*;

use super::{
    filter,
    random::{self, Origin},
};
use crate::{
    event::{Body, Event},
    filter::{
        Filter,
        kernel::{KernelFilter, lower, wants_records},
    },
};

fn lowered(text: &str) -> KernelFilter {
    lower(&filter(text), &random::cause)
}

fn has_bit(words: &[u64], bit: u32) -> bool {
    words.get(bit as usize / 64).is_some_and(|w| w >> (bit % 64) & 1 == 1)
}

#[test]
fn what_the_kernel_can_decide_is_lowered() {
    let f = lowered("kind == fault && pid in [3, 4] && cgroup_id == 9 && comm == 'redis'").settings;
    assert_eq!(f.terms, term::KIND | term::PID | term::CGROUP | term::COMM);
    assert!(wants_records(&f, RecordKind::FAULT) && !wants_records(&f, RecordKind::TASK));
    assert_eq!((f.comms_len, f.comms[0].map(u64::to_ne_bytes)), (1, [*b"redis\0\0\0", [0; 8]]));
    let l = lowered("pid in [3, 4] && cgroup_id == 9");
    assert_eq!((l.pids, l.cgroups), (vec![3, 4], vec![9]));

    let f = lowered("addr >= 0x1000 && addr < 0x2000 && latency_ns >= 10us").settings;
    assert_eq!((f.addr_first, f.addr_last), (0x1000, 0x1fff));
    assert_eq!((f.latency_min_ns, f.latency_max_ns), (10_000, u64::MAX));
    assert!(!wants_records(&f, RecordKind::CHECK) && wants_records(&f, RecordKind::REQUEST));

    let f = lowered("cpu in [0, 1, 70] && (src_nid == 1 || dst_nid == 1)").settings;
    assert_eq!(f.terms, term::KIND | term::CPU | term::TOUCHED);
    assert!(has_bit(&f.cpus, 70) && !has_bit(&f.cpus, 69));
    assert_eq!(f.touched_nodes[0], 0b10);

    let f = lowered("nid != cpu_node").settings;
    assert_eq!(f.terms, term::KIND | term::REMOTE);
    let f = lowered("src_nid == 0 && dst_nid == 1").settings;
    assert_eq!((f.src_nodes[0], f.dst_nodes[0]), (1, 2));
    assert_eq!(f.terms & (term::SRC_NID | term::DST_NID), term::SRC_NID | term::DST_NID);

    let f = lowered("cause in [mbind, lazy_fault]").settings;
    assert_eq!((f.causes[4], f.causes[3], f.causes[0]), (0xff, 0b10, 0));
    assert_eq!((f.lazy_batch_causes, f.lazy_fault_cause), (0b10, 1));
}

#[test]
fn what_it_cannot_decide_lets_everything_through() {
    for text in [
        "true",
        "comm.matches('x')",
        "comm != 'x'",
        "comm in ['a', 'b', 'c', 'd', 'e']",
        "pid == 1 || comm == 'x'",
        "!(pid == 1 && cpu == 2)",
        "tid > 7",
        "ts_ns >= 5s",
    ] {
        let terms = lowered(text).settings.terms;
        assert_eq!(terms, 0, "{text}: {terms:#b}");
    }
    assert_eq!(lowered("pid >= 2").settings.terms, 0, "too many for a map");
    assert_eq!(lowered("kind == fault && latency_ns > 5 || kind == task").settings.terms, term::KIND);
    let nothing = lowered("kind == fault && pid == 1 && pid == 2").settings;
    assert_eq!((nothing.terms, wants_records(&nothing, RecordKind::FAULT)), (term::KIND, false));
}

#[test]
fn a_filter_of_nothing_is_all_zero() {
    let all = lower(&Filter::all(), &random::cause).settings;
    assert_eq!(config::Filter { kinds: 0, ..all }, config::Filter::default());
}

/// What the programs do, on the event that the record became.
fn passes(l: &KernelFilter, event: &Event, origin: Origin) -> bool {
    let f = &l.settings;
    let kind = match &event.body {
        Body::Fault(_) => RecordKind::FAULT,
        Body::Check(_) => RecordKind::CHECK,
        Body::Mark(_) => RecordKind::MARK,
        Body::Migrate(_) => RecordKind::MIGRATE,
        Body::Batch(_) => RecordKind::BATCH,
        Body::Request(_) => RecordKind::REQUEST,
        Body::Task(_) => RecordKind::TASK,
        Body::Phase(_) => RecordKind::PHASE,
        Body::Region(_) => RecordKind::REGION,
        Body::Place(_) => RecordKind::PLACE,
        Body::Node(_) | Body::Census(_) | Body::Loss(_) => return true,
    };
    let (nid, src, dst) = match &event.body {
        Body::Fault(e) => (e.nid, None, None),
        Body::Mark(e) => (Some(e.nid), None, None),
        Body::Check(e) => (None, Some(e.src_nid), e.dst_nid),
        Body::Migrate(e) => (None, Some(e.src_nid), e.dst_nid),
        _ => (None, None, None),
    };
    let cause = match origin {
        Origin::None => false,
        Origin::LazyFault => f.lazy_fault_cause != 0,
        Origin::LazyBatch(call) => f.lazy_batch_causes >> call & 1 == 1,
        Origin::Direct(reason, call) => f.causes[reason as usize] >> call & 1 == 1,
    };
    let on = |node: Option<i32>, mask: &[u64]| node.is_some_and(|n| has_bit(mask, n as u32));
    let mut comm = [[0; 8]; 2];
    comm.as_flattened_mut()[..event.comm.as_bytes().len()].copy_from_slice(event.comm.as_bytes());
    let comm = comm.map(u64::from_ne_bytes);
    let term = |bit: u32, holds: bool| f.terms & bit == 0 || holds;
    term(term::KIND, f.kinds >> kind.0 & 1 == 1)
        && term(term::PID, l.pids.contains(&event.pid))
        && term(term::CGROUP, l.cgroups.contains(&event.cgroup_id))
        && term(term::COMM, f.comms[..f.comms_len as usize].contains(&comm))
        && term(term::CPU, event.cpu >= 1024 || has_bit(&f.cpus, event.cpu))
        && term(term::CPU_NODE, on(event.cpu_node, &f.cpu_nodes))
        && term(term::TOUCHED, [event.cpu_node, nid, src, dst].into_iter().any(|n| on(n, &f.touched_nodes)))
        && term(term::NID, on(nid, &f.nodes))
        && term(term::SRC_NID, on(src, &f.src_nodes))
        && term(term::DST_NID, on(dst, &f.dst_nodes))
        && term(term::REMOTE, nid.is_some() && event.cpu_node.is_some() && nid != event.cpu_node)
        && term(term::ADDR, event.addr().is_some_and(|a| (f.addr_first..=f.addr_last).contains(&a)))
        && term(term::LATENCY, event.latency_ns().is_some_and(|ns| (f.latency_min_ns..=f.latency_max_ns).contains(&ns)))
        && term(term::CAUSE, cause)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn the_kernel_stops_nothing_that_is_wanted(
        text in random::expression(),
        events in proptest::collection::vec(random::event(), 40),
    ) {
        let Ok(filter) = text.parse::<Filter>() else { return Ok(()) };
        let lowered = lower(&filter, &random::cause);
        for (event, origin) in &events {
            prop_assert!(!filter.wants(event) || passes(&lowered, event, *origin), "{}: {:?}", text, event);
        }
    }

    /// What is a conjunction of single terms is decided whole.
    #[test]
    fn a_conjunction_of_simple_terms_is_decided_whole(
        (pid, cpu, node, min) in (0..6u32, 0..6u32, 0..4u32, 0..7u64),
        events in proptest::collection::vec(random::event(), 40),
    ) {
        let text = format!("kind == fault && pid == {pid} && cpu <= {cpu} && nid == {node} && latency_ns >= {min}");
        let filter: Filter = text.parse().map_err(|e| TestCaseError::fail(format!("{e}")))?;
        let lowered = lower(&filter, &random::cause);
        for (event, origin) in &events {
            prop_assert_eq!(filter.wants(event), passes(&lowered, event, *origin), "{}: {:?}", text, event);
        }
    }
}
