//! A role has several ways: each of them gives the same records, but for what the catalog says that it lacks.

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
    workloads::{Balancing, assert_reconciled, segment},
};

/// The tasks, the moves and the faults of every class that a kernel without swap can have.
const SCRIPT: &str = "anon seg 2m huge\nmap seg\nmbind seg preferred 1\ntouch seg 0 1p write\nmbind seg bind+move 2\n\
                      anon base 8p\nmap base\nmbind base preferred 1\ntouch base read\ntouch base write\n\
                      pin base 2p 1p\nmbind base bind+move 3\nunpin base\nmove base to 0\n";

#[test]
fn kprobes_see_what_fentry_sees() {
    needs!(huge_pages, other_ways);
    let [usual, kprobes] = ["", "fentry"].map(|forms| avoiding(forms, SCRIPT));
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
fn kprobes_see_hinting_faults_and_what_the_policy_said() {
    needs!(other_ways);
    let balancing = Balancing::on();
    let run = avoiding(
        "fentry",
        "mpol default\nanon seg 64p\nmap seg\nmbind seg default\ncpu 1\ntouch seg write\ncpu 2\nloop 2000 seg\nwhere seg\n",
    );
    drop(balancing);
    let start = segment(&run);
    let inside = |addr: u64| (start..start + 64 * PAGE).contains(&addr);
    let faults = run.faults();
    let hinting = faults.iter().filter(|(_, f)| inside(f.addr) && f.class == Some(FaultClass::Hinting)).count();
    let checks = run.checks().iter().filter(|(_, c)| c.is_hinting() && inside(c.addr)).count();
    assert!(hinting >= 32 && checks >= 32, "{hinting} hinting faults, {checks} checks");
    run.assert_lossless();
}

#[test]
fn trace_events_alone_show_faults_and_calls() {
    needs!(other_ways);
    let run = avoiding("fentry,kprobe,tp_btf", &format!("{WRITTEN_ON_1}mbind seg bind+move 2\nwhere seg\n"));
    let start = segment(&run);
    let touched: BTreeSet<_> = run.faults().iter().map(|(_, f)| f.addr & !(PAGE - 1)).collect();
    assert!((start..).step_by(PAGE as usize).take(PAGES as usize).all(|page| touched.contains(&page)), "{touched:x?}");
    assert!(!run.meta.coverage(Probe::Fault, ProbeField::Class).is_available());
    let asked = run.requests().into_iter().filter(|(_, r)| r.name == RequestName::Mbind);
    let asked: Vec<_> = asked.map(|(_, r)| (r.addr, r.nodemask.as_ref().map(ToString::to_string), r.ret)).collect();
    let mask = |nodes: &str| Some(nodes.to_owned());
    assert_eq!(asked, [(Some(start), mask("1"), 0), (Some(start), mask("2"), 0)]);
    assert!(
        run.migrations().is_empty() && !run.meta.coverage(Probe::DirectMigrate, None).is_available(),
        "{:#?}",
        run.meta.probes
    );
    run.assert_lossless();
}

#[test]
fn the_kernel_takes_every_program_that_has_a_place_in_it() {
    let old = requirements::kernel() < (6, 0);
    for forms in ["", "fentry", "fentry,kprobe", "fentry,tp_btf", "fentry,kprobe,tp_btf"] {
        let output = migtrace().env(AVOID, forms).args(["doctor", "--json"]).output().unwrap();
        let (stdout, stderr) = texts(&output);
        let report: Value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}\n{stderr}"));
        for probe in report["probes"].as_array().unwrap() {
            let rejected = probe["error"].as_str().is_some_and(|error| error.contains(REJECTED));
            // Up to 5.15 type information describes some system calls by stand-ins, and so fentry has no place there.
            assert!(!rejected || old && forms.is_empty(), "without {forms:?}: {probe}");
        }
    }
    let output = migtrace().env(AVOID, "fentry,uprobe").arg("doctor").output().unwrap();
    let said = texts(&output).0;
    assert!(said.contains("unknown BPF program type \"uprobe\" in MIGTRACE_AVOID"), "{said}");
}

/// A recording of a script without programs of these forms.
fn avoiding(forms: &str, script: &str) -> Run {
    let script = Script::new(script);
    Recorder::start_avoiding(forms, &[], &script.argv()).finish()
}

/// What a recording says of the mappings that a script gives policies to, without what differs from run to run. Whether a time
/// is there does not.
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
