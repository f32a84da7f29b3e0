//! `migtrace map` of processes of this host and of traces: formats, errors and exit statuses.

use std::{
    fs,
    process::{Child, Command, Output, Stdio},
};

use assert_cmd::cargo::CommandCargoExt;
use migtrace::{
    event::{Body, Census, Event, PagePlace, Policy, RegionClass},
    recording::Meta,
    trace::{FORMAT_VERSION, Writer},
};
use serde_json::Value as Json;

fn migtrace(arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("migtrace").expect("built");
    command.env("NO_COLOR", "1").env_remove("MIGTRACE_LOG").stdin(Stdio::null()).arg("map").args(arguments);
    command
}

fn map(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = migtrace(arguments).output().expect("runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (status.code(), text(&stdout), text(&stderr))
}

/// A process that waits, and is killed on drop.
struct Waiting(Child);

impl Waiting {
    fn start() -> Self {
        Self(Command::new("sleep").arg("1000").spawn().expect("sleep"))
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The child may not have executed its program yet; then it has this test's memory.
fn wait_for_program(pid: &str) {
    while !fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|path| path.ends_with("sleep")) {
        std::thread::yield_now();
    }
    std::thread::sleep(std::time::Duration::from_millis(50));
}

#[test]
fn all_formats_have_the_same_pages() {
    let child = Waiting::start();
    let pid = child.pid();
    wait_for_program(&pid);
    let (status, json, error) = map(&["--json", &pid]);
    assert_eq!((status, &*error), (Some(0), ""));
    let json: Json = serde_json::from_str(&json).expect("JSON");
    let sum = |pages: &Json| {
        pages["nodes"].as_array().expect("a list").iter().map(|n| n["pages"].as_u64().expect("a count")).sum::<u64>()
    };
    let in_memory = sum(&json["pages"]) + json["pages"]["unknown_node"].as_u64().expect("a count");
    assert!(in_memory > 100, "{json}");
    let (_, text, _) = map(&[&pid]);
    assert!(text.contains(&format!("  in memory     {in_memory} pages (")), "{text}");
    for part in ["map of process ", "(sleep)", "== ", "START", "pages by address and node", "libc.so.6", "remote "] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    let rows = |arguments: &[&str]| {
        let (status, text, _) = map(arguments);
        assert_eq!(status, Some(0));
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header = reader.headers().expect("a header").clone();
        let named =
            |row: csv::StringRecord| header.iter().map(str::to_owned).zip(row.iter().map(str::to_owned)).collect();
        reader.records().map(|row| named(row.expect("a row"))).collect::<Vec<std::collections::BTreeMap<_, _>>>()
    };
    let regions = rows(&["--csv", &pid]);
    assert_eq!(regions.len(), json["regions"].as_array().expect("a list").len());
    let number = |text: &String| text.parse::<u64>().expect("a number");
    let of_region = |row: &std::collections::BTreeMap<String, String>| {
        row.iter()
            .filter(|(name, _)| name.starts_with("node") || *name == "unknown_node")
            .map(|(_, n)| number(n))
            .sum::<u64>()
    };
    assert_eq!(regions.iter().map(of_region).sum::<u64>(), in_memory);
    let runs = rows(&["--csv", "--runs", &pid]);
    let placed = runs.iter().filter(|row| ["node", "unknown_node"].contains(&&*row["place"]));
    assert_eq!(placed.map(|row| number(&row["pages"])).sum::<u64>(), in_memory);
}

#[test]
fn a_picture_is_drawn_and_a_wrong_name_is_an_error_before_anything_runs() {
    let child = Waiting::start();
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str| dir.path().join(name).to_str().expect("a path").to_owned();
    for name in ["map.svg", "map.png"] {
        assert_eq!(map(&["--plot", &file(name), &child.pid()]).0, Some(0));
    }
    let svg = fs::read_to_string(file("map.svg")).expect("drawn");
    assert!(svg.contains("sleep (process ") && svg.contains("libc.so.6") && svg.contains("remote"), "{svg}");
    assert_eq!(&fs::read(file("map.png")).expect("drawn")[..8], b"\x89PNG\r\n\x1a\n");
    let touched = file("touched");
    let (status, _, error) = map(&["--plot", &file("map.gif"), "--", "touch", &touched]);
    assert_eq!(status, Some(2));
    assert!(error.contains(".svg or .png") && !fs::exists(&touched).expect("readable"), "{error}");
}

#[test]
fn a_command_keeps_its_output_and_status_and_is_mapped_at_its_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let out = dir.path().join("map.json");
    let path = out.to_str().expect("a path");
    let (status, stdout, error) = map(&["--json", "-o", path, "--", "sh", "-c", "echo hello; exit 7"]);
    assert_eq!((status, &*stdout, &*error), (Some(7), "hello\n", ""));
    let json: Json = serde_json::from_str(&fs::read_to_string(&out).expect("written")).expect("JSON");
    assert!(json["regions"].as_array().is_some_and(|regions| regions.len() > 5), "{json}");
    let (status, stdout, _) = map(&["--watch", "100ms", "-n", "2", "--", "sleep", "0.5"]);
    assert_eq!(status, Some(0));
    assert!(stdout.contains("map of process ") && stdout.contains(" in memory"), "{stdout}");
    let (status, stdout, _) = map(&["--after", "50ms", "--", "sh", "-c", "sleep 0.3; kill -TERM $$"]);
    assert_eq!(status, Some(128 + libc::SIGTERM));
    assert!(stdout.contains("(sh)"), "{stdout}");
}

/// A run of pages of a mapping of 8 pages at this time.
fn census(pid: u32, ts_ns: u64, nid: i32) -> Event {
    let run = Census {
        addr: 0x7f00_0000_0000,
        pages: 8,
        place: Some(PagePlace::Node(nid)),
        reading_ns: 1_000,
        len: 8 * 4096,
        class: RegionClass::Anon,
        permissions: "rw-p".into(),
        name: String::new(),
        policy: Some(Policy::Bind),
        nodes: Some("0".parse().expect("a node")),
    };
    Event { pid, tid: pid, comm: "db".into(), ..Event::at(ts_ns, Body::Census(Box::new(run))) }
}

#[test]
fn a_trace_shows_its_last_census_and_what_changed() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("run.parquet");
    let trace = path.to_str().expect("a path");
    let write = |events: &[Event]| {
        let meta = Meta {
            format_version: FORMAT_VERSION,
            start_ns: 1_000_000_000,
            end_ns: Some(9_000_000_000),
            ..Meta::default()
        };
        let _ = fs::remove_file(&path);
        let mut writer = Writer::create(&path, &meta).expect("a writer");
        events.iter().for_each(|event| writer.push(event).expect("pushed"));
        writer.finish(&meta).expect("finished");
    };
    write(&[census(7, 2_000_000_000, 0), census(7, 3_000_000_000, 1), census(7, 4_000_000_000, 2)]);
    let (status, text, error) = map(&[trace]);
    assert_eq!(status, Some(0), "{error}");
    assert!(text.contains("map of process 7 (db)") && text.contains("node 2 8 (100%)"), "{text}");
    assert!(text.contains("bind:0") && text.contains("+2.00 s") && text.contains("8 node 0 → node 2"), "{text}");
    let (_, text, _) = map(&[trace, "--at", "2500ms"]);
    assert!(text.contains("node 1 8 (100%)") && text.contains("8 node 0 → node 1"), "{text}");
    let (_, json, _) = map(&[trace, "--at", "1s", "--json", "--runs"]);
    let json: Json = serde_json::from_str(&json).expect("one map, and no change");
    assert_eq!(json["regions"][0]["runs"][0]["nid"], 0, "{json}");
    assert_eq!((&json["off_policy"], &json["huge"], &json["remote"]), (&0.into(), &Json::Null, &Json::Null));
    let (_, csv, _) = map(&[trace, "--csv", "--runs"]);
    assert_eq!(csv.lines().count(), 2, "{csv}");
    let (status, _, error) = map(&[trace, "--at", "10ms"]);
    assert!(status == Some(2) && error.contains("no census until then"), "{error}");
    write(&[census(7, 2_000_000_000, 0), census(8, 3_000_000_000, 1)]);
    let (status, _, error) = map(&[trace]);
    assert!(status == Some(2) && error.contains("choose one by --process: 7 (db), 8 (db)"), "{error}");
    let (_, text, _) = map(&[trace, "--process", "8"]);
    assert!(text.contains("map of process 8 (db)"), "{text}");
    let (status, _, error) = map(&[trace, "--process", "9"]);
    assert!(status == Some(2) && error.contains("no census of process 9; it has those of 7 (db), 8 (db)"), "{error}");
    write(&[]);
    let (status, _, error) = map(&[trace]);
    assert!(status == Some(2) && error.contains("has no census: `migtrace record --census` records one"), "{error}");
}

#[test]
fn errors_name_the_cause_and_have_a_status() {
    let child = Waiting::start();
    let pid = child.pid();
    let zombie = Command::new("true").spawn().expect("true");
    let zombie_pid = zombie.id().to_string();
    while !fs::read_to_string(format!("/proc/{zombie_pid}/stat")).expect("not waited for").contains(") Z ") {
        std::thread::yield_now();
    }
    for (arguments, status, words) in [
        (vec!["4194304"], 2, "no process 4194304"),
        (vec![&*zombie_pid], 2, "has exited"),
        (vec!["2"], 2, "kernel thread"),
        (vec!["--runs", &*pid], 2, "--runs requires --json or --csv"),
        (vec!["--csv", "--watch", "1s", &*pid], 2, "not --csv"),
        (vec!["--", "no-such-command"], 127, "no such command in PATH"),
        (vec![], 2, "required arguments"),
        (vec!["99999999999"], 2, "invalid value '99999999999'"),
        (vec!["x"], 2, "x: no such trace"),
        (vec!["--at", "1s", &*pid], 2, "name the file instead of a PID"),
        (vec!["--watch", "1s", "x"], 2, "--watch reads a running process, not a trace"),
    ] {
        // Containers do not show the host's threads.
        if arguments == ["2"] && !fs::read_to_string("/proc/2/comm").is_ok_and(|name| name == "kthreadd\n") {
            continue;
        }
        let (code, stdout, error) = map(&arguments);
        assert_eq!((code, &*stdout), (Some(status), ""), "{arguments:?}: {error}");
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
    let mut zombie = zombie;
    zombie.wait().expect("waited");
}

#[test]
fn watching_ends_when_the_process_exits() {
    let mut child = Waiting::start();
    let mut watcher = migtrace(&["--watch", "50ms", &child.pid()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("runs");
    std::thread::sleep(std::time::Duration::from_millis(500));
    child.0.kill().expect("there");
    child.0.wait().expect("waited");
    let output = watcher.wait().expect("ends");
    assert!(output.success());
    let mut error = String::new();
    std::io::Read::read_to_string(&mut watcher.stderr.take().expect("a pipe"), &mut error).expect("read");
    assert_eq!(error, format!("migtrace: process {} has exited\n", child.pid()));
}
