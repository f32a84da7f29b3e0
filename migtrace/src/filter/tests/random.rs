//! Random expressions and random events.

use proptest::prelude::*;

use crate::{
    decode::enums::cause_of_call,
    event::{
        Access, Batch, Body, Cause, Check, CheckPath, Comm, Event, Fault, FaultClass, Kind, Mark, Migrate, Outcome,
        Phase, Policy, Request, RequestName, Task, TaskEvent, Verdict, Work,
    },
    filter::{Filter, Row},
    recording::Meta,
    trace::{COLUMNS, Trace, Writer},
};
use strum::VariantArray;

/// The kernel's numbers for causes, as Linux has them, for tests.
pub(super) fn cause(reason: i32, call: Cause) -> Cause {
    match reason {
        0 => Cause::Compaction,
        2 => Cause::Hotplug,
        3 => call,
        4 => Cause::Mbind,
        5 => Cause::HintingFault,
        8 => Cause::Demotion,
        _ => Cause::Other,
    }
}

/// Where the cause of an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    None,
    /// migrate_reason, and the system call around it.
    Direct(i32, u8),
    LazyFault,
    LazyBatch(u8),
}

/// Few values, so that random tests meet them.
fn leaf() -> impl Strategy<Value = String> {
    let compared = prop_oneof![Just("=="), Just("!="), Just("<"), Just("<="), Just(">"), Just(">=")];
    let number = prop_oneof![
        Just("pid"),
        Just("cpu"),
        Just("cgroup_id"),
        Just("cpu_node"),
        Just("nid"),
        Just("src_nid"),
        Just("dst_nid"),
        Just("addr"),
        Just("latency_ns"),
        Just("order"),
        Just("ret"),
    ];
    let nodes = || prop_oneof![Just("cpu_node"), Just("nid"), Just("src_nid"), Just("dst_nid")];
    let word = prop_oneof![
        Just("comm == 'a'"),
        Just("comm in ['a', 'b']"),
        Just("comm != 'a'"),
        Just("comm.matches('^a')"),
        Just("cause == mbind"),
        Just("cause in [compaction, lazy_fault, move_pages]"),
        Just("cause != mbind"),
        Just("cause.contains('o')"),
        Just("result == ok"),
        Just("major"),
        Just("has(addr)"),
        Just("dst_nid == null"),
        Just("true"),
        Just("false"),
    ];
    let kind = proptest::sample::select(Kind::VARIANTS);
    prop_oneof![
        3 => (number, compared.clone(), 1..6u64).prop_map(|(name, op, n)| format!("{name} {op} {n}")),
        2 => (nodes(), proptest::collection::vec(0..4u32, 1..3)).prop_map(|(name, list)| format!("{name} in {list:?}")),
        1 => (nodes(), compared, nodes()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        2 => kind.clone().prop_map(|k| format!("kind == {k}")),
        1 => kind.prop_map(|k| format!("kind != {k}")),
        3 => word.prop_map(str::to_owned),
    ]
}

pub(super) fn expression() -> impl Strategy<Value = String> {
    leaf().prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.prop_map(|a| format!("!({a})")),
        ]
    })
}

fn node() -> impl Strategy<Value = Option<i32>> {
    proptest::option::weighted(0.8, 0..4i32)
}

fn body() -> impl Strategy<Value = (Body, Origin)> {
    let values = (
        proptest::option::weighted(0.8, 0..7u64),
        proptest::option::weighted(0.8, 0..7u64),
        0..4i32,
        node(),
        any::<bool>(),
        0..3u32,
        (-1..9i32, 0..7u8, 0..7i64),
    );
    (0..8usize, values).prop_map(|(kind, (addr, latency_ns, src_nid, dst_nid, flag, order, (reason, call, ret)))| {
        let outcome = if flag { Outcome::Ok } else { Outcome::Failed };
        let (some_addr, some_ns) = (addr.unwrap_or(3), latency_ns.unwrap_or(3));
        let lazy = reason < 0;
        match kind {
            0 => {
                let fault = Fault {
                    addr: some_addr,
                    ip: None,
                    access: Access::Read,
                    class: flag.then_some(FaultClass::Anon),
                    major: dst_nid.map(|_| flag),
                    nid: dst_nid,
                    order: dst_nid.map(|_| order),
                    latency_ns,
                    result: flag.then(|| "ok".into()),
                    wait: None,
                };
                (Body::Fault(fault), Origin::None)
            }
            1 => {
                let verdict = if flag { Verdict::Placed } else { Verdict::Misplaced };
                let (policy, reason) = (Some(Policy::Bind), None);
                let check = Check {
                    addr: some_addr,
                    pfn: 1,
                    order,
                    src_nid,
                    path: CheckPath::LazyFault,
                    dst_nid,
                    policy,
                    interleaved: false,
                    lazy,
                    verdict,
                    reason,
                };
                (Body::Check(check), Origin::None)
            }
            2 => (Body::Mark(Mark { addr, pfn: 1, nid: src_nid, order, result: outcome, reason: None }), Origin::None),
            3 => {
                let (cause, origin) = if lazy {
                    (Cause::LazyFault, Origin::LazyFault)
                } else {
                    (cause(reason, cause_of_call(call)), Origin::Direct(reason, call))
                };
                let migrate = Migrate {
                    addr,
                    old_pfn: 1,
                    new_pfn: None,
                    order,
                    src_nid,
                    dst_nid,
                    cause,
                    result: outcome,
                    reason: None,
                    latency_ns,
                    unmap_ns: None,
                    copy_ns: None,
                    remap_ns: None,
                    mappings: None,
                };
                (migrate.into(), origin)
            }
            4 => {
                let (cause, origin) = if lazy {
                    (cause_of_call(call), Origin::LazyBatch(call))
                } else {
                    (cause(reason, cause_of_call(call)), Origin::Direct(reason, call))
                };
                let work = if lazy { Work::Mark } else { Work::Migrate("sync".into()) };
                let batch = Batch {
                    asked: addr,
                    succeeded: 1,
                    failed: 2,
                    unmoved: addr,
                    thp_split: None,
                    cause,
                    work,
                    latency_ns: some_ns,
                };
                (Body::from(batch), origin)
            }
            5 => {
                let request = Request {
                    name: RequestName::MovePages,
                    addr,
                    len: Some(1),
                    policy: None,
                    flags: "move".into(),
                    nodemask: None,
                    target_pid: None,
                    ret,
                    latency_ns: some_ns,
                };
                (request.into(), Origin::None)
            }
            6 => {
                let task = Task {
                    what: TaskEvent::Exec,
                    from_node: dst_nid,
                    to_node: None,
                    target_pid: None,
                    pages: None,
                    latency_ns: None,
                };
                (Body::Task(task), Origin::None)
            }
            _ => (Body::Phase(Phase { text: "a".into() }), Origin::None),
        }
    })
}

pub(super) fn event() -> impl Strategy<Value = (Event, Origin)> {
    let comm = prop_oneof![Just("a"), Just("b"), Just("ab"), Just("fifteen-bytes-c")];
    (body(), 0..6u32, node(), 0..6u32, comm, 0..6u64).prop_map(
        |((body, origin), cpu, cpu_node, pid, comm, cgroup_id)| {
            let comm = Comm::from(comm);
            (Event { cpu, cpu_node, pid, tid: pid, comm, cgroup_id, ..Event::at(1, body) }, origin)
        },
    )
}

proptest! {
    // CEL's parser takes its time where it is not optimized.
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_filter_that_is_printed_wants_the_same((text, (event, _)) in (expression(), event())) {
        let Ok(filter) = text.parse::<Filter>() else { return Ok(()) };
        let printed: Filter = filter.to_string().parse().map_err(|e| TestCaseError::fail(format!("{text}: {e}")))?;
        prop_assert_eq!(filter.wants(&event), printed.wants(&event), "{} printed as {}", text, filter);
    }

    #[test]
    fn no_event_is_wanted_by_an_expression_and_its_contrary((text, (event, _)) in (expression(), event())) {
        let (Ok(filter), Ok(not)) = (text.parse::<Filter>(), format!("!({text})").parse::<Filter>()) else {
            return Ok(());
        };
        prop_assert!(!(filter.wants(&event) && not.wants(&event)), "{}", text);
    }

    #[test]
    fn kinds_of_a_filter_hold_what_it_wants((text, (event, _)) in (expression(), event())) {
        let Ok(filter) = text.parse::<Filter>() else { return Ok(()) };
        prop_assert!(!filter.wants(&event) || filter.kinds().contains(Kind::from(&event.body)), "{}", text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn a_row_of_a_trace_is_wanted_as_its_event_is(
        texts in proptest::collection::vec(expression(), 20),
        events in proptest::collection::vec(event(), 50),
    ) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("run.parquet");
        let mut writer = Writer::create(&path, &Meta::default()).expect("created");
        events.iter().for_each(|(e, _)| writer.push(e).expect("pushed"));
        writer.finish(&Meta { end_ns: Some(1), ..Meta::default() }).expect("finished");
        let trace = Trace::open(&path).expect("a trace");
        let rows: Vec<_> = trace.rows().map(|b| b.expect("rows")).collect();
        let filters: Vec<Filter> = texts.iter().filter_map(|t| t.parse().ok()).collect();
        let mut read = 0;
        for batch in &rows {
            for row in 0..batch.rows() {
                let values: [_; COLUMNS.len()] = batch.values(row);
                for (column, value) in values.iter().enumerate() {
                    prop_assert_eq!(batch.value(row, column), *value);
                }
                for filter in &filters {
                    prop_assert_eq!(filter.wants(&Row { batch, number: row }), filter.wants(&events[read].0), "{}", filter);
                }
                read += 1;
            }
        }
        prop_assert_eq!(read, events.len());
    }
}
