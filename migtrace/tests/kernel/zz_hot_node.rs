//! A node that is plugged into the machine: first its memory, then a CPU. The machine is started with such a node
//! (`cargo xtask vm --hot-add`), and has a port that requests it.
//!
//! Among the last tests: the node stays for the tests after these. libtest runs tests in the order of their names,
//! therefore the `zz_`.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use migtrace::event::{Cause, Outcome, RequestName};

use crate::{
    hotplug::memory_of,
    recorder::{CapturedOutput, ChildGuard, Recorder, wait_for},
    requirements::needs,
    serve::{Server, sum},
    support::{PAGE, Script, migtrace, texts},
};

/// Linux numbers nodes with possible CPUs first, and the slow node has none.
const NODE: i32 = 4;
/// The first CPU that is not present at boot.
pub(crate) const CPU: u32 = 4;
const PAGES: u64 = 100;

/// Returns the device of the port that plugs memory and CPUs.
pub(crate) fn port() -> Option<PathBuf> {
    let ports = fs::read_dir("/sys/class/virtio-ports").ok()?.flatten();
    let named = |entry: &fs::DirEntry| {
        fs::read_to_string(entry.path().join("name")).is_ok_and(|name| name.trim_end() == "migtrace.plug")
    };
    ports.into_iter().find(named).map(|entry| Path::new("/dev").join(entry.file_name()))
}

/// Plugs `memory` or a `cpu` into the node.
fn plug(what: &str) {
    let mut port = fs::File::options().read(true).write(true).open(port().unwrap()).unwrap();
    writeln!(port, "{what}").unwrap();
    let mut reply = String::new();
    BufReader::new(port).read_line(&mut reply).unwrap();
    assert_eq!(reply, "ok\n");
}

fn node_dir() -> PathBuf {
    PathBuf::from(format!("/sys/devices/system/node/node{NODE}"))
}

/// Brings the memory blocks of the node online, unless the kernel did.
fn bring_memory_online() {
    let blocks = || {
        let entries = fs::read_dir(node_dir()).into_iter().flatten().flatten().map(|entry| entry.path().join("state"));
        entries.filter(|state| state.exists()).collect::<Vec<_>>()
    };
    let is_online = |state: &PathBuf| fs::read_to_string(state).unwrap().trim() == "online";
    wait_for("the memory blocks of the node", || {
        // Fails for a block that the kernel brings online at this moment.
        blocks().iter().filter(|state| !is_online(state)).for_each(|state| drop(fs::write(state, "online_movable")));
        (blocks().len() > 1 && blocks().iter().all(is_online)).then_some(())
    });
}

/// A `migtrace top --batch` that writes the overview as text.
fn top() -> (ChildGuard, CapturedOutput) {
    let mut command = migtrace();
    command.args(["top", "--batch", "-d", "0.5"]).env("COLUMNS", "160").stdin(Stdio::null()).stdout(Stdio::piped());
    let mut top = ChildGuard::start(&mut command);
    let output = CapturedOutput::from(top.0.stdout.take().unwrap());
    output.wait_for("from\\to");
    (top, output)
}

#[test]
fn a_node_that_is_plugged_is_recorded_and_shown() {
    needs!(pluggable_memory);
    let is_online = || node_dir().exists();
    assert!(!is_online(), "the node is not online at boot");
    let server = Server::start();
    let memory = |text: &str| sum(text, "migtrace_node_memory_bytes", &[&format!("node=\"{NODE}\"")]);
    assert_eq!(memory(&server.metrics().unwrap()), 0.0);
    let (top, shown) = top();
    let matrix_row = format!("\nn{NODE} ");
    assert!(!shown.so_far().contains(&matrix_row), "{}", shown.so_far());
    let recorder = Recorder::attached(&["--comm", "migtrace"]);

    plug("memory");
    wait_for("the node", || is_online().then_some(()));
    bring_memory_online();
    let bytes = memory_of(NODE as u32);
    assert!(bytes > 0);
    // The matrix has a node without events, too.
    shown.wait_for(&matrix_row);
    wait_for("the node's memory in the metrics", || server.metrics().filter(|text| memory(text) == bytes as f64));

    let script = format!("anon seg {PAGES}p\nmap seg\nmbind seg bind {NODE}\ntouch seg write\nmbind seg bind+move 1\n");
    assert!(Script::new(&script).command().status().unwrap().success());
    wait_for("the migrations in the metrics", || {
        let labels = [&*format!("src_node=\"{NODE}\""), "dst_node=\"1\"", "cause=\"mbind\""];
        server.metrics().filter(|text| sum(text, "migtrace_migration_pages_total", &labels) == PAGES as f64)
    });
    recorder.signal(libc::SIGINT);
    let run = recorder.finish();
    server.end();
    drop(top);

    run.assert_lossless();
    let bind = run.requests().into_iter().find(|(_, request)| request.name == RequestName::Mbind).unwrap().1;
    let segment = bind.addr.unwrap()..bind.addr.unwrap() + PAGES * PAGE;
    let faults = run.faults().into_iter().filter(|(_, f)| segment.contains(&f.addr));
    assert!(faults.clone().count() == PAGES as usize && faults.clone().all(|(_, f)| f.nid == Some(NODE)));
    assert_eq!(run.migrated_pages()[&(Cause::Mbind, NODE, Some(1))], PAGES);
    assert!(run.migrations().iter().all(|(_, m)| m.result == Outcome::Ok));
    let nodes = &run.meta.topology.nodes;
    let node = nodes.iter().find(|node| node.nid == NODE).unwrap();
    assert_eq!((node.mem_bytes, node.cpus.len()), (bytes, 0));
    assert!(nodes.iter().all(|node| node.distances.len() == nodes.len()), "{nodes:?}");
    let (doctor, _) = texts(&migtrace().arg("doctor").output().unwrap());
    assert!(doctor.contains(&format!("{} nodes", nodes.len())), "{doctor}");
}

#[test]
fn its_cpu_that_is_plugged_is_recorded_with_the_node() {
    needs!(pluggable_cpu);
    let dir = PathBuf::from(format!("/sys/devices/system/cpu/cpu{CPU}"));
    let recorder = Recorder::start_with::<&str>(&[("MIGTRACE_LOG", "info")], &["--comm", "migtrace"], &[]);
    recorder.wait_for_message("recording into");
    plug("cpu");
    let online = dir.join("online");
    wait_for("the CPU", || online.exists().then_some(()));
    if fs::read_to_string(&online).unwrap().trim() == "0" {
        fs::write(&online, "1").unwrap();
    }
    recorder.wait_for_message("are online, and their nodes are stored");
    let script = Script::new(&format!("anon seg {PAGES}p\nmap seg\ntouch seg write\n"));
    let status = Command::new("taskset").args(["-c", &CPU.to_string()]).args(script.argv()).status().unwrap();
    assert!(status.success());
    recorder.signal(libc::SIGINT);
    let run = recorder.finish();
    run.assert_lossless();
    let on_cpu: Vec<_> = run.faults().into_iter().filter(|(event, _)| event.cpu == CPU).collect();
    assert!(on_cpu.len() >= PAGES as usize, "{} faults on CPU {CPU}", on_cpu.len());
    assert!(on_cpu.iter().all(|(event, _)| event.cpu_node == Some(NODE)), "{on_cpu:?}");
    let node = run.meta.topology.nodes.iter().find(|node| node.nid == NODE).unwrap();
    assert_eq!(node.cpus, [CPU]);
}
