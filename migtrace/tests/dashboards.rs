//! Files of dashboards/: panels and rules query only metrics that `migtrace serve` exports, and promtool accepts the
//! rules.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test, with its line")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::Command,
};

use migtrace::metrics::METRICS;
use regex::Regex;
use serde_json::Value;

/// Set by `cargo xtask test`: the directory of Prometheus' programs.
const PROMETHEUS: &str = "MIGTRACE_PROMETHEUS";
/// Labels that Prometheus itself adds.
const LABELS_OF_PROMETHEUS: [&str; 3] = ["instance", "job", "le"];

fn file(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../dashboards").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn rules() -> String {
    file("prometheus/migtrace.rules.yml")
}

fn dashboard(name: &str) -> Value {
    serde_json::from_str(&file(&format!("grafana/{name}.json"))).unwrap()
}

/// Returns the labels of each exported sample, by its name.
fn exported() -> BTreeMap<String, BTreeSet<&'static str>> {
    let labels = |metric: &migtrace::metrics::Metric| {
        metric.labels.iter().copied().chain(LABELS_OF_PROMETHEUS).collect::<BTreeSet<_>>()
    };
    METRICS.iter().flat_map(|metric| metric.samples().into_iter().map(move |name| (name, labels(metric)))).collect()
}

/// Returns the queries of a dashboard's panels and of its variables.
fn queries(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap();
    let of_panels = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let of_variables = variables.iter().filter_map(|variable| variable["query"]["query"].as_str());
    of_panels.map(|target| target["expr"].as_str().unwrap()).chain(of_variables).map(str::to_owned).collect()
}

/// Asserts that each series in a text is exported or recorded by a rule, and has the labels that the text uses.
fn assert_known(text: &str, recorded: &BTreeSet<String>) {
    let exported = exported();
    let names = Regex::new(r"[a-z_:]*(?:migtrace|process)_[a-z0-9_:]+").unwrap();
    let mut found = 0;
    for name in names.find_iter(text).map(|name| name.as_str()) {
        found += 1;
        assert!(exported.contains_key(name) || recorded.contains(name), "no metric {name}, as queried in {text}");
    }
    assert!(found > 0, "no metric in {text}");
    let selectors = Regex::new(r"([a-z_]+)\{([^}]*)\}").unwrap();
    let matchers = Regex::new(r#"([a-z_]+)(?:=~|!~|!=|=)""#).unwrap();
    for selector in selectors.captures_iter(text) {
        let Some(labels) = exported.get(&selector[1]) else { continue };
        for label in matchers.captures_iter(&selector[2]) {
            assert!(labels.contains(&label[1]), "{} has no label {}: {text}", &selector[1], &label[1]);
        }
    }
    let all: BTreeSet<&str> = exported.values().flatten().copied().collect();
    let by = Regex::new(r"(?:by|on|group_left) \(([a-z_, ]+)\)").unwrap();
    for list in by.captures_iter(text) {
        for label in list[1].split(", ") {
            assert!(all.contains(label), "no metric has a label {label}: {text}");
        }
    }
}

fn recorded() -> BTreeSet<String> {
    let rules = rules();
    rules.lines().filter_map(|line| Some(line.split_once("record: ")?.1.to_owned())).collect()
}

#[test]
fn every_metric_of_a_panel_is_exported() {
    for name in ["fleet", "host"] {
        for query in queries(&dashboard(name)) {
            assert_known(&query, &BTreeSet::new());
        }
    }
}

#[test]
fn every_metric_of_a_rule_is_exported_or_recorded() {
    assert!(recorded().len() > 5);
    assert_known(&rules(), &recorded());
}

#[test]
fn panels_have_a_question_as_description_and_dashboards_their_variables() {
    for (name, variables) in [("fleet", &["host", "cause"][..]), ("host", &["host", "node", "cause"])] {
        let dashboard = dashboard(name);
        let names: Vec<&str> =
            dashboard["templating"]["list"].as_array().unwrap().iter().map(|v| v["name"].as_str().unwrap()).collect();
        for variable in variables {
            assert!(names.contains(variable), "{name} has no variable {variable}");
        }
        let mut ids = BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            assert!(panel["description"].as_str().is_some_and(|text| text.contains('?')), "{}", panel["title"]);
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{}", panel["title"]);
        }
    }
}

#[test]
fn alerts_have_a_duration_severity_summary_and_description() {
    let rules = rules();
    let alerts = rules.split("- alert: ").skip(1);
    for alert in alerts {
        for part in ["for: ", "severity: ", "summary: ", "description: "] {
            assert!(alert.contains(part), "an alert without {part}: {alert}");
        }
    }
}

/// Runs promtool on a file of dashboards/prometheus, if `cargo xtask test` has set its place.
fn promtool(arguments: &[&str], name: &str) {
    let Some(dir) = std::env::var_os(PROMETHEUS) else {
        println!("skipped: no {PROMETHEUS}; cargo xtask test sets it");
        return;
    };
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../dashboards/prometheus").join(name);
    let output = Command::new(PathBuf::from(dir).join("promtool")).args(arguments).arg(file).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&text));
}

/// With a node selected, panels showed only faults and migrations from its memory: nothing of a node with CPUs only, and
/// nothing that comes to a node.
#[test]
fn a_selected_node_is_each_node_of_a_series() {
    let metrics = exported();
    let selectors = Regex::new(r"([a-z_]+)\{([^}]*)\}").unwrap();
    let mut found = 0;
    for query in queries(&dashboard("host")).iter().filter(|query| query.contains("$node")) {
        for name in selectors.captures_iter(query).map(|selector| selector[1].to_owned()) {
            for label in metrics[&name].iter().filter(|label| label.ends_with("node")) {
                let matcher = Regex::new(&format!(r#"[,{{]{label}=~"\$node""#)).unwrap();
                assert!(matcher.is_match(query), "{label} is not compared in {query}");
                found += 1;
            }
        }
    }
    assert!(found > 10);
}

/// Node 0 has both, node 2 memory only, node 5 CPUs only.
const SERIES_OF_NODES: &str = r#"
      - {series: 'migtrace_faults_total{instance="h",class="anon",cpu_node="5",node="2"}', values: 0+60x10}
      - {series: 'migtrace_faults_total{instance="h",class="anon",cpu_node="0",node="0"}', values: 0+120x10}
      - {series: 'migtrace_faults_total{instance="h",cpu_node="0"}', values: 0+180x10}
      - {series: 'migtrace_checks_total{instance="h",verdict="misplaced",src_node="0",dst_node="2"}', values: 0+60x10}
      - {series: 'migtrace_migration_pages_total{instance="h",cause="demotion",result="ok",src_node="0",dst_node="2"}', values: 0+60x10}
      - {series: 'migtrace_migration_pages_total{instance="h",cause="mbind",result="ok",src_node="0",dst_node="0"}', values: 0+120x10}
      - {series: 'migtrace_migrations_total{instance="h",cause="demotion",result="failed",src_node="0",dst_node="2"}', values: 0+60x10}
      - {series: 'migtrace_marked_pages_total{instance="h",result="ok",node="2"}', values: 0+60x10}
"#;

#[test]
fn panels_show_a_node_without_memory_or_cpus_and_each_series_once() {
    let faults = [r#"{cpu_node="5",node="2"}"#, r#"{cpu_node="0",node="0"}"#, r#"{cpu_node="0"}"#];
    let demoted = r#"{cause="demotion",src_node="0",dst_node="2"}"#;
    let within = r#"{cause="mbind",src_node="0",dst_node="0"}"#;
    let (check, failed, mark) = (r#"{verdict="misplaced"}"#, r#"{cause="demotion"}"#, r#"{node="2",result="ok"}"#);
    let expected: [(&str, &[(&str, u64)]); 3] = [
        (
            ".*",
            &[
                (faults[0], 1),
                (faults[1], 2),
                (faults[2], 3),
                (check, 1),
                (demoted, 1),
                (within, 2),
                (failed, 1),
                (mark, 1),
            ],
        ),
        ("2", &[(faults[0], 1), (check, 1), (demoted, 1), (failed, 1), (mark, 1)]),
        ("5", &[(faults[0], 1)]),
    ];
    let queries: Vec<String> =
        queries(&dashboard("host")).into_iter().filter(|query| query.contains("$node")).collect();
    assert_eq!(queries.len(), 5);
    let mut tests = String::new();
    for (nodes, samples) in expected {
        let of = |query: &String| {
            let variables = [("$host", ".*"), ("$cause", ".*"), ("$node", nodes), ("$__rate_interval", "5m")];
            variables.into_iter().fold(query.clone(), |query, (name, value)| query.replace(name, value))
        };
        let all = queries.iter().map(|query| format!("({})", of(query))).collect::<Vec<_>>().join(" or ");
        tests += &format!("      - expr: '{all}'\n        eval_time: 10m\n        exp_samples:\n");
        for (labels, value) in samples {
            tests += &format!("          - {{labels: '{labels}', value: {value}}}\n");
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nodes.test.yml");
    let text = format!("tests:\n  - interval: 1m\n    input_series:{SERIES_OF_NODES}    promql_expr_test:\n{tests}");
    fs::write(&path, text).unwrap();
    promtool(&["test", "rules"], path.to_str().unwrap());
}

#[test]
fn promtool_accepts_the_rules() {
    promtool(&["check", "rules"], "migtrace.rules.yml");
}

/// A PodMonitor's job is `namespace/name`; a rule for the job `migtrace` never fired there.
#[test]
fn alerts_fire_under_any_job_name_and_for_migtrace_only() {
    promtool(&["test", "rules"], "migtrace.rules.test.yml");
}

#[test]
fn no_query_needs_a_job_name_and_targets_are_matched_by_job_and_instance() {
    let queries: Vec<String> = ["fleet", "host"].iter().flat_map(|name| queries(&dashboard(name))).collect();
    for text in queries.into_iter().chain([rules()]) {
        assert!(!text.contains("job=\""), "{text}");
        assert!(!text.contains("on (instance"), "another exporter may have the same instance: {text}");
    }
}
