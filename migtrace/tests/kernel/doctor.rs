//! The report of `migtrace doctor`: with all requirements it agrees with a recording, and it names missing
//! requirements.

use migtrace::recording::Fidelity;
use std::{
    fs,
    process::{Command, Output},
};

use serde_json::Value;

use crate::support::{migtrace, texts};

/// Runs `migtrace doctor --json`, started by another program. Returns the exit status and the report.
fn doctor_under(program: &str, args: &[&str]) -> (i32, Value) {
    let mut command = Command::new(program);
    command.args(args).arg(migtrace().get_program()).args(["doctor", "--json"]);
    report(&command.output().unwrap())
}

fn report(output: &Output) -> (i32, Value) {
    let (stdout, stderr) = texts(output);
    let value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}\n{stderr}"));
    (output.status.code().unwrap(), value)
}

/// Returns the entries of a list that have this value at `key`.
fn with<'a>(report: &'a Value, list: &str, key: &str, value: &str) -> Vec<&'a Value> {
    report[list].as_array().unwrap().iter().filter(|entry| entry[key] == value).collect()
}

#[test]
fn hooks_in_the_report_attach_in_a_recording() {
    let (status, report) = report(&migtrace().args(["doctor", "--json"]).output().unwrap());
    assert_eq!((status, &report["can_trace"]), (0, &Value::Bool(true)));
    let symbols = fs::read_to_string("/proc/kallsyms").unwrap();
    let has_home_node = symbols.contains("__x64_sys_set_mempolicy_home_node");
    let is_of_home_node =
        |capability: &Value| capability["error"].as_str().unwrap().contains("set_mempolicy_home_node");
    for probe in ["fault", "hinting_check", "batch", "direct_migrate", "request", "phase", "task", "place"] {
        let capabilities = with(&report, "probes", "probe", probe);
        // A kernel without set_mempolicy_home_node (before 5.17) cannot attach to it.
        let is_expected =
            |capability: &&Value| capability["attached"].is_string() || !has_home_node && is_of_home_node(capability);
        assert!(!capabilities.is_empty() && capabilities.iter().all(is_expected), "{probe}: {capabilities:?}");
    }
    // doctor tries the hooks for changes of place, too.
    let run = crate::support::record_with(&["--places"], "numa\n");
    // Estimated capabilities are read from other sources than BPF programs, and have no hook.
    let hooks = run.meta.probes.iter().filter(|p| p.fidelity != Fidelity::Estimated);
    let recorded: Vec<_> = hooks.map(|p| (p.probe.to_string(), p.attached.clone())).collect();
    let reported: Vec<_> = report["probes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["probe"].as_str().unwrap().to_owned(), p["attached"].as_str().map(str::to_owned)))
        .collect();
    assert_eq!(recorded, reported);
    assert!(with(&report, "checks", "state", "missing").is_empty(), "{report}");
}

#[test]
fn without_privilege_it_names_the_capabilities() {
    let args = ["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"];
    let (status, report) = doctor_under("setpriv", &args);
    assert_eq!((status, &report["can_trace"]), (69, &Value::Bool(false)));
    let privilege = with(&report, "checks", "what", "capabilities")[0];
    assert_eq!(privilege["state"], "missing");
    assert!(privilege["found"].as_str().unwrap().contains("CAP_PERFMON"), "{privilege}");
    assert!(privilege["remedy"].as_str().unwrap().contains("sudo"));
    assert!(with(&report, "views", "fidelity", "exact").is_empty(), "{report}");
}

#[test]
fn without_btf_it_names_the_file_and_the_option() {
    let hide = "mount -t tmpfs none /sys/kernel/btf && exec \"$0\" \"$@\"";
    let (status, report) = doctor_under("unshare", &["--mount", "sh", "-c", hide]);
    assert_eq!(status, 69);
    let btf = with(&report, "checks", "what", "BTF")[0];
    assert_eq!(btf["state"], "missing");
    assert!(btf["found"].as_str().unwrap().contains("/sys/kernel/btf/vmlinux"), "{btf}");
    assert!(btf["remedy"].as_str().unwrap().contains("CONFIG_DEBUG_INFO_BTF"), "{btf}");
}

#[test]
fn without_tracefs_it_names_what_is_lost() {
    let hide = "umount -l /sys/kernel/tracing /sys/kernel/debug && exec \"$0\" \"$@\"";
    let (status, report) = doctor_under("unshare", &["--mount", "sh", "-c", hide]);
    assert_eq!(status, 0, "{report}");
    let check = with(&report, "checks", "what", "trace events")[0];
    assert_eq!(check["state"], "limits");
    assert!(check["found"].as_str().unwrap().contains("tracefs is not mounted"), "{check}");
    assert!(check["remedy"].as_str().unwrap().contains("mount -t tracefs"), "{check}");
    // Lazy migration has trace events only. Batches of marks are not counted: before 6.1, that is why a mark is unavailable.
    let batches = with(&report, "probes", "probe", "lazy_batch");
    assert_eq!(batches[0]["error"], "tracepoint mof:mof_lazy: tracefs is not mounted", "{batches:?}");
    let exact = with(&report, "views", "fidelity", "exact");
    assert!(exact.iter().any(|view| view["question"] == "page migrations: source, target and cause"), "{report}");
}

#[test]
fn with_hidden_addresses_it_names_what_is_unknown() {
    const SETTING: &str = "/proc/sys/kernel/kptr_restrict";
    let before = fs::read_to_string(SETTING).unwrap();
    fs::write(SETTING, "2").unwrap();
    let output = migtrace().args(["doctor", "--json"]).output().unwrap();
    fs::write(SETTING, before).unwrap();
    let (status, report) = report(&output);
    assert_eq!(status, 0, "{report}");
    let view = with(&report, "views", "question", "first touches of a page on a remote node")[0];
    assert_eq!(view["fidelity"], "unavailable", "{view}");
    assert!(view["why"].as_str().unwrap().contains("kptr_restrict"), "{view}");
}

#[test]
fn in_a_private_pid_namespace_it_names_the_container_option() {
    let (status, report) = doctor_under("unshare", &["--pid", "--fork", "--mount-proc"]);
    assert_eq!((status, &report["can_trace"]), (69, &Value::Bool(false)));
    let namespaces = with(&report, "checks", "what", "namespaces")[0];
    assert_eq!(namespaces["state"], "missing");
    assert!(namespaces["found"].as_str().unwrap().contains("pid namespace"), "{namespaces}");
    assert!(namespaces["remedy"].as_str().unwrap().contains("--pid=host"), "{namespaces}");
}
