//! Cgroups on a host with cgroup v1 beside v2.
//!
//! Among the last tests: the kernel gives the memory controller back to cgroup v2 only when no page is charged to the
//! cgroups of v1. libtest runs tests in the order of their names, therefore the `zz_`.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use tempfile::TempDir;

use crate::{
    recorder::{ChildGuard, Recorder, TIMEOUT, wait_for},
    requirements::needs,
    serve::{Server, sum},
    support::{Script, migtrace, texts},
};

const ID: &str = "3f29c1d0a5e7b1c2d3e4f5061728394a5b6c7d8e9f00112233445566778899aa";

/// The memory controller, mounted with cgroup v1. Dropping it unmounts it.
struct MemoryV1(TempDir);

impl MemoryV1 {
    fn mount() -> Self {
        // An earlier test may have given it to cgroup v2.
        let _ = fs::write("/sys/fs/cgroup/cgroup.subtree_control", "-memory");
        let dir = tempfile::tempdir().unwrap();
        wait_for("the memory controller", || {
            let mut mount = Command::new("mount");
            mount.args(["-t", "cgroup", "-o", "memory", "memory"]).arg(dir.path());
            mount.status().unwrap().success().then_some(())
        });
        Self(dir)
    }
}

impl Drop for MemoryV1 {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn run_in(cgroup: &Path, script: &Script) -> Vec<std::ffi::OsString> {
    let enter = format!("echo $$ > {} && exec \"$0\" \"$@\"", cgroup.join("cgroup.procs").display());
    ["sh".into(), "-c".into(), enter.into()].into_iter().chain(script.argv().map(Into::into)).collect()
}

#[test]
fn events_have_the_cgroup_of_the_memory_controller() {
    needs!(memory_of_cgroup_v1);
    let mounted = MemoryV1::mount();
    let container = mounted.0.path().join("docker").join(ID);
    fs::create_dir_all(container.join("app")).unwrap();
    let script = Script::new("anon seg 8p\nmap seg\ntouch seg write\n");

    let argv = run_in(&container.join("app"), &script);
    for filter in [vec![], vec!["--container", &ID[..8]], vec!["--cgroup", "/docker"]] {
        let run = Recorder::start(&filter, &argv).finish();
        assert_eq!(run.meta.cgroup_hierarchy.as_deref(), Some("cgroup v1 (memory)"));
        let path = format!("/docker/{ID}/app");
        let (id, _) = run.meta.cgroups.iter().find(|(_, its)| **its == path).unwrap();
        let faults = run.faults().iter().filter(|(event, _)| event.cgroup_id == *id).count();
        assert!(faults >= 8, "{filter:?}: {faults} faults in {path}: {:?}", run.meta.cgroups);
        let elsewhere = run.faults().len() - faults;
        assert!(filter.is_empty() || elsewhere == 0, "{filter:?}: {elsewhere} faults of other cgroups");
    }

    live_views_have_it(&mounted);
    let output = migtrace().args(["record", "--cgroup", "/sys/fs/cgroup", "--", "true"]).output().unwrap();
    assert!(texts(&output).1.contains("another cgroup hierarchy"), "{}", texts(&output).1);
    let (doctor, _) = texts(&migtrace().arg("doctor").output().unwrap());
    assert!(doctor.contains(&format!("cgroup v1 (memory) at {}", mounted.0.path().display())), "{doctor}");

    for dir in [container.join("app"), container.clone(), container.parent().unwrap().to_owned()] {
        wait_for("the end of the last task", || fs::remove_dir(&dir).ok());
    }
}

/// `top --batch` with the processes, from its first update on, when the probes are attached.
struct Top {
    _child: ChildGuard,
    updates: Box<dyn Iterator<Item = Value>>,
}

impl Top {
    fn start(filter: &[&str]) -> Self {
        let mut command = migtrace();
        command.args(["top", "--batch", "--json", "--view", "processes", "-d", "0.5"]).args(filter);
        let mut child = ChildGuard::start(command.stdin(Stdio::null()).stdout(Stdio::piped()));
        let lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
        let mut updates = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap());
        updates.next().unwrap();
        Self { _child: child, updates: Box::new(updates) }
    }

    /// Returns the processes of the first update in which this one has so many faults, by PID and cgroup.
    fn cgroups_once(&mut self, pid: u32, faults: u64) -> Vec<(u64, String)> {
        let began = std::time::Instant::now();
        loop {
            let update = self.updates.next().unwrap();
            let rows = update["rows"].as_array().unwrap();
            let is_done = |row: &Value| row["PID"] == pid && row["FAULTS"].as_u64() >= Some(faults);
            if rows.iter().any(is_done) {
                let cgroup = |row: &Value| row["CGROUP"].as_str().unwrap_or_default().to_owned();
                return rows.iter().map(|row| (row["PID"].as_u64().unwrap(), cgroup(row))).collect();
            }
            assert!(began.elapsed() < TIMEOUT, "{update}");
        }
    }
}

/// Two processes in two cgroups: `top` names both, with `--cgroup` and `--container` only the one in it, and `serve` counts
/// their faults in these cgroups.
fn live_views_have_it(mounted: &MemoryV1) {
    const PAGES: u64 = 2000;
    let containers = mounted.0.path().join("docker");
    let paths = [format!("/docker/{ID}/app"), "/web".to_owned()];
    let web = mounted.0.path().join("web");
    fs::create_dir(&web).unwrap();
    let server = Server::start();
    let mut tops = [&[][..], &["--cgroup", "/docker"], &["--container", &ID[..8]]].map(Top::start);
    let script = Script::new(&format!("anon seg {PAGES}p\nmap seg\ntouch seg write\npid\nsnooze 600\n"));
    let start = |cgroup: &Path| -> Child {
        let argv = run_in(cgroup, &script);
        Command::new(&argv[0]).args(&argv[1..]).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
    };
    let processes = [start(&containers.join(ID).join("app")), start(&web)].map(ChildGuard);
    let [inside, outside] = [0, 1].map(|n: usize| processes[n].0.id());

    let all = tops[0].cgroups_once(outside, PAGES);
    assert!(all.contains(&(outside.into(), "/web".to_owned())), "{all:?}");
    let all = tops[0].cgroups_once(inside, PAGES);
    let (_, container) = all.iter().find(|(pid, _)| *pid == u64::from(inside)).unwrap();
    assert!(container.contains("docker") && container.contains(&ID[..12]), "{container}");
    for filtered in &mut tops[1..] {
        let cgroups = filtered.cgroups_once(inside, PAGES);
        assert!(cgroups.contains(&(inside.into(), container.clone())), "{cgroups:?}");
        assert!(cgroups.iter().all(|(pid, _)| *pid != u64::from(outside)), "{cgroups:?}");
    }
    for path in paths {
        let labels = [&*format!("cgroup=\"{path}\"")];
        let faults = |text: &String| sum(text, "migtrace_cgroup_faults_total", &labels);
        let counted = wait_for("the faults of the cgroup", || {
            server.metrics().map(|text| faults(&text)).filter(|faults| *faults >= PAGES as f64)
        });
        assert!(counted < 2.0 * PAGES as f64, "{path}: {counted}");
    }
    server.end();
    drop((tops, processes));
    wait_for("the end of the last task", || fs::remove_dir(&web).ok());
}
