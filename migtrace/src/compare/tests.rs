//! Comparisons of literal recordings.

use super::{Comparison, gate::Gate, measure::Measure};
use crate::{
    event::{Body, Event, Probe},
    model::Run,
    recording::Meta,
    testkit,
};

fn measure(name: &str, (meta, events): (Meta, Vec<Event>)) -> Measure {
    Measure::new(&Run::new(meta, events), name)
}

fn one_run_each() -> Comparison {
    Comparison::new(vec![measure("direct", testkit::direct(8))], vec![measure("lazy", testkit::lazy(8, 0..8))])
}

/// The same recording, all times stretched by `percent`.
fn stretched((meta, mut events): (Meta, Vec<Event>), percent: u64) -> (Meta, Vec<Event>) {
    for event in &mut events {
        match &mut event.body {
            Body::Request(r) => r.latency_ns = r.latency_ns * percent / 100,
            Body::Fault(f) => f.latency_ns = f.latency_ns.map(|ns| ns * percent / 100),
            _ => {}
        }
    }
    (meta, events)
}

fn five_runs_each() -> Comparison {
    let runs = |name: &str, of: fn() -> (Meta, Vec<Event>)| {
        [100, 104, 97, 101, 99]
            .into_iter()
            .zip(1..)
            .map(|(p, n)| measure(&format!("{name}-{n}"), stretched(of(), p)))
            .collect()
    };
    Comparison::new(runs("direct", || testkit::direct(8)), runs("lazy", || testkit::lazy(8, [1, 4])))
}

#[test]
fn one_run_a_side() {
    insta::assert_snapshot!(one_run_each().text());
}

#[test]
fn five_runs_a_side_with_two_pages_touched() {
    insta::assert_snapshot!(five_runs_each().text());
}

#[test]
fn json() {
    let json = serde_json::to_string_pretty(&one_run_each().json()).expect("numbers and strings");
    insta::assert_snapshot!(json);
}

#[test]
fn what_a_trace_cannot_know_is_null_and_not_zero() {
    let (mut meta, mut events) = testkit::lazy(8, 0..8);
    meta.probes.retain(|p| p.probe == Probe::Request);
    events.retain(|e| matches!(e.body, Body::Request(_)));
    let b = vec![measure("lazy", (meta, events))];
    let json = Comparison::new(vec![measure("direct", testkit::direct(8))], b).json();
    for name in ["marked_pages", "moved_in_fault_pages", "faults", "fault_ns", "untouched_pages", "total_ns"] {
        assert!(json["metrics"][name]["b"].is_null(), "{name}");
    }
    assert_eq!(json["metrics"]["asked_pages"]["b"]["median"], 8.0);
    assert!(json["metrics"]["untouched_pages"]["a"].is_null(), "a direct run marks nothing");
}

#[test]
fn loss_is_said() {
    let c = Comparison::new(vec![measure("direct", testkit::direct(8))], vec![measure("lossy", testkit::lossy())]);
    let text = c.text();
    assert!(
        text.contains("Events are missing, so that counts and times may be too small: lossy (3 events)."),
        "{text}"
    );
    assert!(text.contains("In lossy the trace does not account for every marked page"), "{text}");
}

#[test]
fn runs_without_a_request_are_nothing_to_compare() {
    let (meta, _) = testkit::direct(8);
    let mut blind = meta.clone();
    blind.probes.retain(|p| p.probe != Probe::Request);
    let blind = vec![measure("blind", (blind, Vec::new()))];
    let c = Comparison::new(blind, vec![measure("lazy", testkit::lazy(8, 0..8))]);
    assert!(c.text().contains("Placement syscalls were not recorded in blind: nothing to compare."), "{}", c.text());
    let json = c.json();
    for (name, value) in json["metrics"].as_object().expect("metrics") {
        assert!(value["a"].is_null(), "{name}");
    }
    let c = Comparison::new(vec![measure("empty", (meta, Vec::new()))], vec![measure("lazy", testkit::lazy(8, 0..8))]);
    assert!(c.text().contains("No syscall migrated pages in empty: nothing to compare."), "{}", c.text());
}

#[test]
fn sides_are_called_by_what_their_names_share() {
    let c = five_runs_each();
    assert_eq!((c.a.label.as_str(), c.b.label.as_str()), ("direct", "lazy"));
    let none = Comparison::new(
        vec![measure("x", testkit::direct(1)), measure("y", testkit::direct(1))],
        vec![measure("é1", testkit::direct(1)), measure("è2", testkit::direct(1))],
    );
    assert_eq!((none.a.label.as_str(), none.b.label.as_str()), ("A", "B"));
}

#[test]
fn gates_pass_fail_and_refuse() {
    let c = one_run_each();
    let check = |text: &str| text.parse::<Gate>().expect("a gate").check(&c).0;
    assert!(check("ratio.request_ns < 0.5"));
    assert!(check("moved_in_fault_pages == 8"));
    assert!(check("a.moved_in_fault_pages<=0"));
    assert!(!check("total_per_moved_page_ns <= 100"));
    assert!(!check("a.untouched_pages >= 0"), "what is not known does not pass");
    for bad in ["", "request_ns", "c.request_ns < 1", "nonsense < 1", "request_ns < x"] {
        assert!(bad.parse::<Gate>().is_err(), "{bad}");
    }
}
