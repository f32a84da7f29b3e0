use super::*;
use crate::{event::Kind, recording::Meta, testkit};

fn hook(probe: Probe, field: Option<ProbeField>, error: Option<&str>) -> ProbeInfo {
    ProbeInfo {
        probe: probe.into(),
        field: field.map(Into::into),
        attached: error.is_none().then(|| "somewhere".to_owned()),
        error: error.map(str::to_owned),
        fidelity: if error.is_none() { Fidelity::Exact } else { Fidelity::Unavailable }.into(),
    }
}

#[test]
fn events_seen_by_some_of_several_hooks_are_an_estimate() {
    // doctor took one hook as enough and called this exact; the log wanted all and called it not recorded.
    let hooks = [hook(Probe::Task, None, None), hook(Probe::Task, None, Some("no such tracepoint"))];
    let task = coverage(&hooks, &Probe::Task.into(), None);
    assert_eq!(task, Coverage::Estimated(Why::SomeHooks("no such tracepoint".to_owned())));
    assert!(task.is_available() && !task.has_all_hooks());
    assert!(task.why().is_some_and(|why| why.to_string().contains("no such tracepoint")));
}

#[test]
fn a_field_from_some_of_several_hooks_is_an_estimate() {
    // As with events: the classes of some faults are known, of others not.
    let class = Some(ProbeField::Class);
    let hooks = [
        hook(Probe::Fault, None, None),
        hook(Probe::Fault, class, None),
        hook(Probe::Fault, class, Some("inlined everywhere")),
    ];
    assert_eq!(coverage(&hooks, &Probe::Fault.into(), None), Coverage::Exact);
    assert_eq!(coverage(&hooks, &Probe::Fault.into(), class).fidelity(), Fidelity::Estimated);
    assert_eq!(
        coverage(&hooks, &Probe::Fault.into(), Some(ProbeField::Nid)),
        Coverage::Exact,
        "it comes with the events"
    );
}

#[test]
fn one_placement_syscall_is_enough_for_a_kernel_may_lack_others() {
    let hooks = [hook(Probe::Request, None, Some("no such syscall")), hook(Probe::Request, None, None)];
    assert_eq!(coverage(&hooks, &Probe::Request.into(), None), Coverage::Exact);
}

#[test]
fn a_field_is_not_there_without_its_hook_or_its_events() {
    let nid = Some(ProbeField::Nid);
    let hooks = [hook(Probe::Fault, None, None), hook(Probe::Fault, nid, Some("only the exception"))];
    assert_eq!(
        coverage(&hooks, &Probe::Fault.into(), nid),
        Coverage::Unavailable(Why::Rejected("only the exception".into()))
    );
    let hooks = [hook(Probe::Fault, None, Some("no fentry")), hook(Probe::Fault, nid, None)];
    assert_eq!(coverage(&hooks, &Probe::Fault.into(), nid), Coverage::Unavailable(Why::Rejected("no fentry".into())));
    assert_eq!(coverage(&[], &Probe::Fault.into(), nid), Coverage::Unavailable(Why::NotAttached));
}

#[test]
fn the_best_of_several_probes_counts() {
    let lazy = Coverage::Unavailable(Why::NotAttached);
    assert_eq!(best([lazy.clone(), Coverage::Exact]), Coverage::Exact);
    assert_eq!(best([lazy.clone(), Coverage::Unavailable(Why::Interrupted)]), lazy);
}

#[test]
fn a_recording_that_does_not_list_its_probes_is_taken_to_have_had_them() {
    assert_eq!(Meta::default().coverage(Probe::Fault, ProbeField::Class), Coverage::Exact);
    let (mut meta, _) = testkit::direct(8);
    meta.probes.retain(|hook| hook.probe == Probe::Fault);
    assert!(!meta.coverage(Probe::Request, None).is_available());
}

#[test]
fn kinds_that_a_filter_excludes_count_as_not_recorded() {
    let (mut meta, _) = testkit::direct(8);
    exclude(&mut meta.probes, [Kind::Migrate, Kind::Batch].into_iter().collect());
    for probe in [Probe::DirectMigrate, Probe::Batch] {
        assert_eq!(meta.coverage(probe, None), Coverage::Unavailable(Why::Rejected(FILTERED.to_owned())));
    }
    assert!(meta.coverage(Probe::Fault, None).is_available());
}

#[test]
fn hooks_on_functions_alone_are_interrupted() {
    let mut hooks = ["fexit f", "tp_btf t, kprobe f", "tracepoint a:b", ""].map(|by| ProbeInfo {
        attached: Some(by.to_owned()).filter(|by| !by.is_empty()),
        ..hook(Probe::Fault, None, None)
    });
    mark_interrupted(&mut hooks);
    let interrupted = Coverage::Estimated(Why::Interrupted);
    let expected = [interrupted.clone(), interrupted, Coverage::Exact, Coverage::Unavailable(Why::NotAttached)];
    assert_eq!(hooks.each_ref().map(ProbeInfo::coverage), expected);
}

#[test]
fn hooks_read_as_they_were_written() {
    let text = r#"{"probe":"tlb","field":"pages","attached":"a file","error":null,"fidelity":"guessed"}"#;
    let hook: ProbeInfo = serde_json::from_str(text).expect("a hook of a newer version");
    assert_eq!(serde_json::to_string(&hook).expect("JSON"), text);
    assert_eq!(hook.coverage(), Coverage::Estimated(Why::Derived("a file".to_owned())));
}
