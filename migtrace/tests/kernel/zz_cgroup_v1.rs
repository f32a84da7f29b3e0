//! Cgroups on a host with cgroup v1 beside v2.
//!
//! Among the last tests: the kernel gives the memory controller back to cgroup v2 only when no page is charged to the
//! cgroups of v1. libtest runs tests in the order of their names, therefore the `zz_`.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;

use crate::{
    recorder::{Recorder, wait_for},
    requirements::needs,
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

    let output = migtrace().args(["record", "--cgroup", "/sys/fs/cgroup", "--", "true"]).output().unwrap();
    assert!(texts(&output).1.contains("another cgroup hierarchy"), "{}", texts(&output).1);
    let (doctor, _) = texts(&migtrace().arg("doctor").output().unwrap());
    assert!(doctor.contains(&format!("cgroup v1 (memory) at {}", mounted.0.path().display())), "{doctor}");

    for dir in [container.join("app"), container.clone(), container.parent().unwrap().to_owned()] {
        wait_for("the end of the last task", || fs::remove_dir(&dir).ok());
    }
}
