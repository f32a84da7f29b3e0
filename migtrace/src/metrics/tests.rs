//! From literal counts to text.

use std::{collections::HashMap, sync::Arc};

use migtrace_common::counters::ProbeCounters;

use super::{family::Value, *};
use crate::{
    counts::Counts,
    counts::{Count, Process, Processes, Sort, Times},
    doctor,
    event::{
        Batch, Body, Cause, Event, FaultClass, Loss, NodeFacts, NumaPages, Outcome, Probe, Request, RequestName,
        Verdict, Work,
    },
    recording::Meta,
    recording::ProbeInfo,
    testkit,
};

/// Counts of a machine where two pages migrated in faults.
struct Machine {
    meta: Meta,
    counts: Counts,
    tally: Tally,
    counters: HashMap<Probe, ProbeCounters>,
    shown: Shown,
    cost: Cost,
    nodes: Vec<NodeFacts>,
}

fn count(events: u64, ns: &[u64]) -> Count {
    let mut times = Times::default();
    ns.iter().for_each(|ns| times.count(*ns));
    Count { events, pages: events * 2, times }
}

fn machine() -> Machine {
    let (mut meta, _) = testkit::direct(8);
    meta.migtrace_version = "0.0.0-test".to_owned();
    let fault = |class, nid| Sort::Fault {
        class: Some(class),
        major: Some(false),
        result: Some("ok".into()),
        cpu_nid: Some(0),
        nid: Some(nid),
        wait_cause: None,
    };
    let waited = |wait_cause, cpu_nid| Sort::Fault {
        class: Some(FaultClass::MigrationWait),
        major: Some(false),
        result: Some("retry".into()),
        cpu_nid: Some(cpu_nid),
        nid: None,
        wait_cause,
    };
    let moved = |src_nid, dst_nid| Sort::Migrate {
        cause: Cause::LazyFault,
        result: Outcome::Ok,
        reason: None,
        src_nid: Some(src_nid),
        dst_nid,
    };
    let misplaced = Sort::Check { verdict: Verdict::Misplaced, reason: None, src_nid: Some(1), dst_nid: Some(2) };
    let unseen = Sort::Fault { class: None, major: None, result: None, cpu_nid: Some(0), nid: None, wait_cause: None };
    let sorts = [
        (fault(FaultClass::Anon, 0), count(3, &[100, 300, 5_000])),
        (fault(FaultClass::Anon, 1), count(1, &[2_000_000])),
        (unseen, count(7, &[])),
        (waited(Some(Cause::Compaction), 0), count(2, &[1_000_000, 2_000_000])),
        (waited(Some(Cause::Compaction), 1), count(1, &[500_000])),
        (waited(None, 1), count(1, &[250_000])),
        (misplaced, count(2, &[])),
        (moved(1, Some(2)), count(2, &[700, 800])),
        (moved(1, None), count(1, &[])),
    ];
    let process = Process {
        cgroup_id: 5,
        faults: 4,
        remote_faults: 1,
        fault_ns: 2_005_400,
        migration_waits: 4,
        migration_wait_ns: 3_750_000,
        ..Process::default()
    };
    let processes = Processes { cgroups: [(5, process)].into(), ..Processes::default() };
    let mut shown = Shown::new(5);
    shown.update(&processes.cgroups, &[(5, "/a \"b\"\n".to_owned())].into(), 1.0);
    let mut tally = Tally::default();
    let request = |ret| Request {
        name: RequestName::Mbind,
        addr: None,
        len: None,
        policy: None,
        flags: String::new(),
        nodemask: None,
        target_pid: None,
        ret,
        latency_ns: 1_000,
    };
    let batch = Batch {
        asked: None,
        succeeded: 8,
        failed: 1,
        unmoved: Some(2),
        thp_split: None,
        cause: Cause::Mbind,
        work: Work::Migrate("sync".into()),
        latency_ns: 9_000,
    };
    let loss = Loss { probe: "fault".into(), cause: "undecodable".into(), count: 4 };
    for body in [request(0).into(), request(-22).into(), Body::from(batch), Body::Loss(loss)] {
        tally.see(&Event::at(1, body));
    }
    let counted =
        ProbeCounters { seen: 9, stored: 8, ring_full: 1, aggregated_only: 11, table_full: 2, ..Default::default() };
    Machine {
        meta,
        counts: Counts { sorts: sorts.into(), processes, ..Counts::default() },
        tally,
        counters: HashMap::from([(Probe::Fault, counted), (Probe::Mark, ProbeCounters::default())]),
        shown,
        cost: Cost::default(),
        nodes: Vec::new(),
    }
}

impl Machine {
    fn families(&self) -> Families {
        let views = doctor::views(&self.meta.probes);
        let snapshot = Snapshot {
            meta: &self.meta,
            counts: &self.counts,
            tally: &self.tally,
            cgroups: &self.shown,
            counters: &self.counters,
            views: &views,
            cost: &self.cost,
            nodes: &self.nodes,
        };
        snapshot.families()
    }

    fn text(&self) -> String {
        encode(&Arc::new(self.families()), Format::OpenMetrics).expect("text")
    }
}

fn assert_line(text: &str, line: &str) {
    assert!(text.lines().any(|its| its == line), "no line {line} in:\n{text}");
}

#[test]
fn nodes_have_the_values_that_the_kernel_shows() {
    let pages = NumaPages { hit: Some(7), miss: Some(0), ..NumaPages::default() };
    let (cpus, free_bytes) = (Some("0-3,8".into()), Some(4096));
    let first = NodeFacts { nid: 0, cpus, free_bytes, tier: Some(4), pages, ..NodeFacts::default() };
    let second = NodeFacts { nid: 1, cpus: Some(String::new()), ..NodeFacts::default() };
    let text = Machine { nodes: vec![first, second], ..machine() }.text();
    for line in [
        "migtrace_node_cpus{node=\"0\"} 5",
        "migtrace_node_cpus{node=\"1\"} 0",
        "migtrace_node_memory_free_bytes{node=\"0\"} 4096",
        "migtrace_node_memory_tier{node=\"0\"} 4",
        "migtrace_node_numa_hit_pages_total{node=\"0\"} 7",
        "migtrace_node_numa_miss_pages_total{node=\"0\"} 0",
    ] {
        assert_line(&text, line);
    }
    assert!(
        !text.contains("numa_hit_pages_total{node=\"1\"}") && !text.contains("migtrace_node_local_node_pages_total{")
    );
}

/// Node numbers can have gaps. A node can have CPUs only, memory only, or neither.
#[test]
fn nodes_keep_their_numbers_in_each_metric_and_unknown_memory_is_absent() {
    let mut machine = machine();
    let memory = |nid, cpus: &str, mem_bytes| NodeFacts {
        nid,
        cpus: Some(cpus.into()),
        mem_bytes,
        free_bytes: mem_bytes,
        ..NodeFacts::default()
    };
    machine.nodes = vec![memory(0, "0-3", Some(4096)), memory(2, "", Some(8192)), memory(5, "4-5", Some(0))];
    machine.nodes.push(memory(9, "", None));
    // What the topology at the start had is not true for ever: a node can be gone, or its memory unreadable.
    machine.meta.topology.nodes =
        [0, 2, 5, 7, 9].map(|nid| crate::recording::Node { nid, ..Default::default() }).to_vec();
    let (reason, result) = (None, Outcome::Ok);
    machine.counts.sorts = [
        Sort::Fault { class: None, major: None, result: None, cpu_nid: Some(5), nid: Some(2), wait_cause: None },
        Sort::Check { verdict: Verdict::Misplaced, reason: None, src_nid: Some(2), dst_nid: Some(0) },
        Sort::Mark { result, reason: None, nid: Some(2) },
        Sort::Migrate { cause: Cause::Demotion, result, reason, src_nid: Some(0), dst_nid: Some(2) },
    ]
    .map(|sort| (sort, count(1, &[700])))
    .into();
    let text = machine.text();
    for line in [
        r#"migtrace_node_memory_bytes{node="2"} 8192"#,
        r#"migtrace_node_memory_bytes{node="5"} 0"#,
        r#"migtrace_node_memory_free_bytes{node="5"} 0"#,
        r#"migtrace_node_cpus{node="2"} 0"#,
        r#"migtrace_faults_total{cpu_node="5",node="2"} 1"#,
        r#"migtrace_fault_latency_seconds_count{place="remote"} 1"#,
        r#"migtrace_checks_total{verdict="misplaced",src_node="2",dst_node="0"} 1"#,
        r#"migtrace_marked_pages_total{result="ok",node="2"} 2"#,
        r#"migtrace_migrations_total{cause="demotion",result="ok",src_node="0",dst_node="2"} 1"#,
        r#"migtrace_migration_latency_seconds_count{cause="demotion",result="ok",src_node="0",dst_node="2"} 1"#,
    ] {
        assert_line(&text, line);
    }
    let numbers = text.split("node=\"").skip(1).filter_map(|rest| rest.split('"').next());
    assert!(
        numbers.clone().count() > 15 && numbers.into_iter().all(|nid| ["0", "2", "5", "9"].contains(&nid)),
        "{text}"
    );
    assert!(!text.contains(r#"migtrace_node_memory_bytes{node="9"}"#), "{text}");
}

/// A scrape of one metric got all of them.
#[test]
fn metrics_are_selected_by_the_name_of_the_metric_or_a_sample() {
    let all = machine().families();
    let types = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let text = encode(&Arc::new(all.only(&names)), Format::OpenMetrics).expect("text");
        let types: Vec<String> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).map(str::to_owned).collect();
        assert!(text.ends_with("# EOF\n"), "{text}");
        types
    };
    assert_eq!(types(&["migtrace_faults_total"]), ["migtrace_faults counter"]);
    assert_eq!(types(&["migtrace_faults", "migtrace_requests_total"]).len(), 2);
    assert_eq!(types(&["migtrace_fault_latency_seconds_bucket"]), ["migtrace_fault_latency_seconds histogram"]);
    assert_eq!(types(&["no_such"]), Vec::<String>::new());
}

#[test]
fn counts_are_samples_by_what_is_known() {
    let text = machine().text();
    for line in [
        "# TYPE migtrace_faults counter",
        r#"migtrace_faults_total{class="anon",major="false",result="ok",cpu_node="0",node="1"} 1"#,
        r#"migtrace_faults_total{cpu_node="0"} 7"#,
        r#"migtrace_checks_total{verdict="misplaced",src_node="1",dst_node="2"} 2"#,
        r#"migtrace_checked_pages_total{verdict="misplaced",src_node="1",dst_node="2"} 4"#,
        r#"migtrace_migrations_total{cause="lazy_fault",result="ok",src_node="1",dst_node="2"} 2"#,
        r#"migtrace_migrations_total{cause="lazy_fault",result="ok",src_node="1"} 1"#,
        r#"migtrace_migration_pages_total{cause="lazy_fault",result="ok",src_node="1",dst_node="2"} 4"#,
        r#"migtrace_requests_total{name="mbind",result="ok"} 1"#,
        r#"migtrace_requests_total{name="mbind",result="EINVAL"} 1"#,
        r#"migtrace_batch_pages_total{cause="mbind",mode="sync",result="ok"} 6"#,
        r#"migtrace_batch_pages_total{cause="mbind",mode="sync",result="freed"} 2"#,
        r#"migtrace_batch_pages_total{cause="mbind",mode="sync",result="failed"} 1"#,
        r#"migtrace_build_info{version="0.0.0-test"} 1"#,
        "migtrace_unreadable_events_total 0",
    ] {
        assert_line(&text, line);
    }
    assert!(text.ends_with("# EOF\n"));
}

/// Causes and cgroups label the waits: both are bounded, and the processes that wait are not.
#[test]
fn waits_for_migrations_are_by_cause_and_by_waiting_cgroup() {
    let text = machine().text();
    for line in [
        r#"migtrace_migration_waits_total{cause="compaction"} 3"#,
        r#"migtrace_migration_wait_seconds_total{cause="compaction"} 0.0035"#,
        // No program saw that migration.
        "migtrace_migration_waits_total 1",
        "migtrace_migration_wait_seconds_total 0.00025",
        r#"migtrace_cgroup_migration_waits_total{cgroup="/a \"b\"\\n"} 4"#,
        r#"migtrace_cgroup_migration_wait_seconds_total{cgroup="/a \"b\"\\n"} 0.00375"#,
        // Faults are not split by what they waited for.
        r#"migtrace_faults_total{class="migration_wait",major="false",result="retry",cpu_node="1"} 2"#,
    ] {
        assert_line(&text, line);
    }
}

#[test]
fn times_are_cumulative_histograms_in_seconds() {
    let text = machine().text();
    for line in [
        "# TYPE migtrace_fault_latency_seconds histogram",
        "# UNIT migtrace_fault_latency_seconds seconds",
        r#"migtrace_fault_latency_seconds_bucket{le="2.56e-7",class="anon",place="local"} 1"#,
        r#"migtrace_fault_latency_seconds_bucket{le="5.12e-7",class="anon",place="local"} 2"#,
        r#"migtrace_fault_latency_seconds_bucket{le="+Inf",class="anon",place="local"} 3"#,
        r#"migtrace_fault_latency_seconds_count{class="anon",place="local"} 3"#,
        r#"migtrace_fault_latency_seconds_sum{class="anon",place="local"} 0.0000054"#,
        r#"migtrace_fault_latency_seconds_count{class="anon",place="remote"} 1"#,
    ] {
        assert_line(&text, line);
    }
    assert!(!text.contains(r#"migtrace_fault_latency_seconds_count{class="other""#), "no time, no histogram");
}

#[test]
fn losses_are_shown_also_when_zero_and_only_of_probes_that_are_there() {
    let mut machine = machine();
    machine.meta.probes.retain(|probe| probe.probe != Probe::Mark);
    let text = machine.text();
    for (cause, lost) in [("ring_full", 1), ("no_start", 0), ("uncounted", 2), ("undecodable", 4)] {
        let line = format!(r#"migtrace_probe_events_lost_total{{probe="fault",cause="{cause}"}} {lost}"#);
        assert_line(&text, &line);
    }
    assert!(!text.contains(r#"probe="mark",cause"#), "nothing is known of a probe that is not attached");
    let mark = ProbeInfo {
        probe: "mark".into(),
        field: None,
        attached: Some("somewhere".into()),
        error: None,
        fidelity: "exact".into(),
    };
    machine.meta.probes.push(mark);
    let text = machine.text();
    assert_line(&text, r#"migtrace_probe_events_lost_total{probe="mark",cause="ring_full"} 0"#);
    assert_line(&text, r#"migtrace_probe_attached{probe="mark",hook="somewhere",fidelity="exact"} 1"#);
}

#[test]
fn what_the_kernel_does_not_show_is_absent() {
    let mut machine = machine();
    for field in ["nid", "latency_ns"] {
        machine.meta.probes.push(ProbeInfo {
            probe: "fault".into(),
            field: Some(field.into()),
            attached: None,
            error: Some("no".into()),
            fidelity: "unavailable".into(),
        });
    }
    machine.cost = Cost::default();
    let families = machine.families();
    let cgroup = [("cgroup", "/a \"b\"\\n")];
    assert_eq!(families.get(&table::CGROUP_FAULTS, &cgroup), Some(&Value::Whole(4)));
    assert_eq!(families.get(&table::CGROUP_REMOTE, &cgroup), None);
    assert_eq!(families.get(&table::CGROUP_SECONDS, &cgroup), None);
    assert_eq!(families.get(&table::MEMORY, &[]), None);
    let lacking = [("probe", "fault"), ("field", "nid"), ("fidelity", "unavailable")];
    assert_eq!(families.get(&table::PROBE_ATTACHED, &lacking), Some(&Value::Whole(0)));
}

#[test]
fn a_label_cannot_break_its_line() {
    assert_line(&machine().text(), r#"migtrace_cgroup_faults_total{cgroup="/a \"b\"\\n"} 4"#);
}
