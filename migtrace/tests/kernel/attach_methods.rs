//! A capability has several attach methods. All give the same records, except for the fields that the catalog lists as
//! unavailable.

use std::collections::BTreeSet;

use migtrace::{
    event::{FaultClass, Probe, ProbeField, RequestName},
    live::{attach::REJECTED, host::requirements::AVOID},
};
use serde_json::Value;

use crate::{
    recorder::Recorder,
    requirements::{self, needs},
    support::{PAGE, PAGES, Run, Script, WRITTEN_ON_1, migtrace, texts},
    workloads::{Balancing, assert_reconciled, segment_start},
};

/// Direct migrations, one that fails, and faults of every class that a kernel without swap can have.
const SCRIPT: &str = "anon seg 2m huge\nmap seg\nmbind seg preferred 1\ntouch seg 0 1p write\nmbind seg bind+move 2\n\
                      anon base 8p\nmap base\nmbind base preferred 1\ntouch base read\ntouch base write\n\
                      pin base 2p 1p\nmbind base bind+move 3\nunpin base\nmove base to 0\n";

#[test]
fn kprobes_record_the_same_events_as_fentry() {
    needs!(huge_pages, kprobes_that_allocate);
    let [usual, kprobes] = ["", "fentry"].map(|program_types| avoiding(program_types, SCRIPT));
    let places: Vec<_> = kprobes.meta.probes.iter().filter_map(|probe| probe.attached.as_deref()).collect();
    assert!(places.iter().all(|place| !place.contains("fentry") && !place.contains("fexit")), "{places:#?}");
    assert!(places.contains(&"kprobe handle_mm_fault, kretprobe handle_mm_fault"), "{places:#?}");
    let facts = facts(&usual);
    assert!(facts.iter().any(|fact| fact.starts_with("fault Some(Huge)")), "{facts:#?}");
    assert!(facts.iter().any(|fact| fact.starts_with("fault Some(Cow)")), "{facts:#?}");
    assert!(facts.iter().any(|fact| fact.contains("Failed")), "{facts:#?}");
    assert_eq!(facts, self::facts(&kprobes));
    assert_reconciled(&kprobes);
}

#[test]
fn kprobes_record_hinting_faults_and_their_checks() {
    needs!(kprobes_that_allocate);
    let balancing = Balancing::on();
    let run = avoiding(
        "fentry",
        "mpol default\nanon seg 64p\nmap seg\nmbind seg default\ncpu 1\ntouch seg write\ncpu 2\nloop 2000 seg\nwhere seg\n",
    );
    drop(balancing);
    let start = segment_start(&run);
    let inside = |addr: u64| (start..start + 64 * PAGE).contains(&addr);
    let faults = run.faults();
    let hinting = faults.iter().filter(|(_, f)| inside(f.addr) && f.class == Some(FaultClass::Hinting)).count();
    let checks = run.checks().iter().filter(|(_, c)| c.is_hinting() && inside(c.addr)).count();
    assert!(hinting >= 32 && checks >= 32, "{hinting} hinting faults, {checks} checks");
    run.assert_lossless();
}

#[test]
fn tracepoints_alone_record_faults_and_placement_syscalls() {
    needs!(kprobes_that_allocate);
    let run = avoiding("fentry,kprobe,tp_btf", &format!("{WRITTEN_ON_1}mbind seg bind+move 2\nwhere seg\n"));
    let start = segment_start(&run);
    let touched: BTreeSet<_> = run.faults().iter().map(|(_, f)| f.addr & !(PAGE - 1)).collect();
    assert!((start..).step_by(PAGE as usize).take(PAGES as usize).all(|page| touched.contains(&page)), "{touched:x?}");
    assert!(!run.meta.coverage(Probe::Fault, ProbeField::Class).is_available());
    let requests = run.requests().into_iter().filter(|(_, r)| r.name == RequestName::Mbind);
    let requests: Vec<_> =
        requests.map(|(_, r)| (r.addr, r.nodemask.as_ref().map(ToString::to_string), r.ret)).collect();
    let mask = |nodes: &str| Some(nodes.to_owned());
    assert_eq!(requests, [(Some(start), mask("1"), 0), (Some(start), mask("2"), 0)]);
    assert!(
        run.migrations().is_empty() && !run.meta.coverage(Probe::DirectMigrate, None).is_available(),
        "{:#?}",
        run.meta.probes
    );
    run.assert_lossless();
}

#[test]
fn the_kernel_rejects_no_program_whose_hook_exists() {
    let old = requirements::kernel() < (6, 0);
    for program_types in ["", "fentry", "fentry,kprobe", "fentry,tp_btf", "fentry,kprobe,tp_btf"] {
        let output = migtrace().env(AVOID, program_types).args(["doctor", "--json"]).output().unwrap();
        let (stdout, stderr) = texts(&output);
        let report: Value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}\n{stderr}"));
        for probe in report["probes"].as_array().unwrap() {
            let rejected = probe["error"].as_str().is_some_and(|error| error.contains(REJECTED));
            // Up to 5.15, BTF describes some system calls by stand-ins, so fentry cannot attach to them.
            assert!(!rejected || old && program_types.is_empty(), "without {program_types:?}: {probe}");
        }
    }
    let output = migtrace().env(AVOID, "fentry,uprobe").arg("doctor").output().unwrap();
    let report = texts(&output).0;
    assert!(report.contains("unknown BPF program type \"uprobe\" in MIGTRACE_AVOID"), "{report}");
}

/// Records a script without BPF programs of these types.
fn avoiding(program_types: &str, script: &str) -> Run {
    let script = Script::new(script);
    Recorder::start_avoiding(program_types, &[], &script.argv()).finish()
}

/// Describes the events in the mappings that a script sets policies for, without the values that differ between runs. A
/// time differs; whether it is available does not.
fn facts(run: &Run) -> Vec<String> {
    let requests = run.requests();
    let starts: BTreeSet<_> = requests.iter().filter_map(|(_, request)| request.addr).collect();
    let place = |addr: u64| {
        let start = starts.range(..=addr).next_back().filter(|start| addr - **start < 512 * PAGE)?;
        Some((starts.iter().position(|at| at == start), addr - start))
    };
    let mut facts = Vec::new();
    for (_, f) in run.faults() {
        let Some(place) = place(f.addr & !(PAGE - 1)) else { continue };
        let timed = f.latency_ns.is_some();
        facts.push(format!(
            "fault {:?} {place:x?} {:?} major {:?} node {:?} {:?} timed {timed}",
            f.class, f.access, f.major, f.nid, f.result
        ));
    }
    for (_, m) in run.migrations() {
        let Some(place) = m.addr.and_then(place) else { continue };
        let timed = [m.latency_ns, m.unmap_ns, m.copy_ns, m.remap_ns].map(|ns| ns.is_some());
        facts.push(format!(
            "move {place:x?} order {} {} -> {:?} {:?} {:?} timed {timed:?}",
            m.order, m.src_nid, m.dst_nid, m.cause, m.result
        ));
    }
    for (_, b) in run.batches() {
        facts.push(format!("batch {:?} {} {} {} {:?}", b.cause, b.work.mode(), b.succeeded, b.failed, b.unmoved));
    }
    for (_, r) in requests {
        let place = r.addr.and_then(place);
        facts.push(format!(
            "call {:?} {place:x?} {:?} {} {:?} {}",
            r.name,
            r.len,
            r.flags,
            r.nodemask.is_some(),
            r.ret
        ));
    }
    facts
}
