//! Changes of the machine during a recording: CPUs and memory that come online, a wall clock that is set.

use std::{fs, path::Path, process::Command, thread, time::Duration};

use migtrace::event::RequestName;

use crate::{
    offline_and_contiguous::Blocks,
    recorder::{Recorder, wait_for},
    requirements::needs,
    support::{PAGE, Script, WRITTEN_ON_1, migtrace, texts},
};

/// The CPU of node 3.
const CPU: u32 = 3;
pub(crate) const ONLINE: &str = "/sys/devices/system/cpu/cpu3/online";

/// A CPU that is offline until [`OfflineCpu::bring_online`] or drop.
pub(crate) struct OfflineCpu;

impl OfflineCpu {
    pub(crate) fn new() -> Self {
        fs::write(ONLINE, "0").unwrap();
        Self
    }

    pub(crate) fn bring_online(self) {}
}

impl Drop for OfflineCpu {
    fn drop(&mut self) {
        fs::write(ONLINE, "1").unwrap();
    }
}

#[test]
fn a_cpu_that_comes_online_is_recorded_with_its_node() {
    needs!(cpu_hotplug);
    let offline = OfflineCpu::new();
    let recorder = Recorder::start_with::<&str>(&[("MIGTRACE_LOG", "info")], &["--comm", "migtrace"], &[]);
    recorder.wait_for_message("recording into");
    offline.bring_online();
    recorder.wait_for_message("are online, and their nodes are stored");
    let script = Script::new(WRITTEN_ON_1);
    let mut pinned = Command::new("taskset");
    let status = pinned.args(["-c", &CPU.to_string()]).args(script.argv()).status().unwrap();
    assert!(status.success(), "{status}");
    recorder.signal(libc::SIGINT);
    let run = recorder.finish();
    run.assert_lossless();
    let on_cpu: Vec<_> = run.faults().into_iter().filter(|(event, _)| event.cpu == CPU).collect();
    assert!(on_cpu.len() >= 8, "{} faults on CPU {CPU}", on_cpu.len());
    assert!(on_cpu.iter().all(|(event, _)| event.cpu_node == Some(3)), "{on_cpu:?}");
    let node = run.meta.topology.nodes.iter().find(|node| node.nid == 3).unwrap();
    assert_eq!(node.cpus, [CPU], "the CPU is in the metadata although it was offline at the start");
}

/// Returns the memory of a node as the kernel reports it, bytes.
pub(crate) fn memory_of(nid: u32) -> u64 {
    let text = fs::read_to_string(format!("/sys/devices/system/node/node{nid}/meminfo")).unwrap();
    let total = text.lines().find_map(|line| line.split_once("MemTotal:")).unwrap().1;
    total.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
}

#[test]
fn memory_that_comes_online_is_recorded_with_its_node() {
    needs!(memory_blocks);
    let blocks = Blocks::of_node(3);
    blocks.set("offline");
    let recorder = Recorder::attached(&["--comm", "migtrace"]);
    let before = memory_of(3);
    blocks.set("online_movable");
    let after = memory_of(3);
    assert!(after > before, "{before} bytes, then {after}");
    let script = Script::new("anon seg 1000p\nmap seg\nmbind seg bind 3\ntouch seg write\n");
    assert!(script.command().status().unwrap().success());
    recorder.signal(libc::SIGINT);
    let run = recorder.finish();
    run.assert_lossless();
    let bind = run.requests().into_iter().find(|(_, request)| request.name == RequestName::Mbind).unwrap().1;
    let segment = bind.addr.unwrap()..bind.addr.unwrap() + 1000 * PAGE;
    let nodes: Vec<_> =
        run.faults().into_iter().filter(|(_, f)| segment.contains(&f.addr)).map(|(_, f)| f.nid).collect();
    assert_eq!(nodes, [Some(3); 1000], "the kernel takes movable memory first, which was offline before");
    let node = run.meta.topology.nodes.iter().find(|node| node.nid == 3).unwrap();
    assert_eq!(node.mem_bytes, after);
}

/// Sets the wall clock forward until drop.
struct Later(i64);

impl Later {
    fn by(seconds: i64) -> Self {
        set_clock(seconds);
        Self(seconds)
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        set_clock(-self.0);
    }
}

fn set_clock(by_seconds: i64) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let time = libc::timespec { tv_sec: now.as_secs() as i64 + by_seconds, tv_nsec: 0 };
    // SAFETY: `time` is a valid time, which the kernel only reads.
    assert_eq!(unsafe { libc::clock_settime(libc::CLOCK_REALTIME, &raw const time) }, 0);
}

#[test]
fn a_wall_clock_that_is_set_is_reported_and_does_not_rotate() {
    let recorder = Recorder::attached(&["--comm", "migtrace", "--rotate-time", "60s"]);
    let later = Later::by(3600);
    // A tick of the recorder.
    thread::sleep(Duration::from_secs(1));
    recorder.signal(libc::SIGINT);
    let run = recorder.finish();
    drop(later);
    let change_s = run.meta.wall_change_ns.unwrap() / 1_000_000_000;
    assert!((3598..=3602).contains(&change_s), "{change_s}");
    let [step] = run.meta.wall_steps[..] else { panic!("{:?}", run.meta.wall_steps) };
    let by_s = (step.wall_offset_ns - run.meta.wall_offset_ns) / 1_000_000_000;
    assert!((3598..=3602).contains(&by_s), "{by_s}");
    assert!((run.meta.start_ns..run.meta.end_ns.unwrap()).contains(&step.ts_ns), "{step:?}");
    assert_eq!(run.meta.part, Some(0), "an hour of wall time begins no file");
    assert!(run.log().contains("the wall clock was set forward by"), "{}", run.log());
}

#[test]
fn rings_that_leave_no_memory_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut record = migtrace();
    let output = record.current_dir(dir.path()).args(["record", "--ring-size", "1g", "--", "true"]).output().unwrap();
    let (_, stderr) = texts(&output);
    assert!(!output.status.success() && stderr.contains("1 GiB for 4 CPUs would take 4 GiB"), "{stderr}");
    assert!(!dir.path().join("run.parquet").exists());
}

#[test]
fn rings_beyond_the_limit_of_the_cgroup_are_refused() {
    // The kernel killed the recorder.
    let root = Path::new("/sys/fs/cgroup");
    fs::write(root.join("cgroup.subtree_control"), "+memory").unwrap();
    let small = root.join("small");
    fs::create_dir(&small).unwrap();
    fs::write(small.join("memory.max"), "100M").unwrap();
    let mut shell = Command::new("sh");
    let enter = "echo $$ > /sys/fs/cgroup/small/cgroup.procs; exec \"$@\"";
    shell.args(["-c", enter, "sh"]).arg(migtrace().get_program());
    let output = shell.args(["record", "--ring-size", "32m", "-o", "/dev/null", "--", "true"]).output().unwrap();
    wait_for("the end of the last task", || fs::remove_dir(&small).ok());
    let (_, stderr) = texts(&output);
    assert!(stderr.contains("available in this cgroup") && stderr.contains("--ring-size"), "{stderr}");
}
