//! Tracing from a private cgroup namespace, as in most containers: what is known of cgroups, and that it is reported.

use std::{fs, path::Path, process::Command};

use migtrace::recording::Meta;

use crate::{
    recorder::wait_for,
    support::{migtrace, texts},
};

/// A cgroup, and mounts that a command there sees.
struct Namespace {
    cgroup: &'static Path,
    mounts: &'static str,
}

impl Namespace {
    fn new(cgroup: &'static str, mounts: &'static str) -> Self {
        let cgroup = Path::new(cgroup);
        fs::create_dir(cgroup).unwrap();
        Self { cgroup, mounts }
    }

    /// Runs `migtrace` in the cgroup, in namespaces of its own for cgroups and mounts. Returns its two outputs.
    fn migtrace(&self, arguments: &[&str]) -> (String, String) {
        let procs = self.cgroup.join("cgroup.procs");
        let script = format!(
            "echo $$ > {} && exec unshare -C -m sh -c '{} exec \"$0\" \"$@\"' \"$@\"",
            procs.display(),
            self.mounts
        );
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, "sh"]).arg(migtrace().get_program()).args(arguments).env("NO_COLOR", "1");
        texts(&shell.output().unwrap())
    }

    fn recorded(&self) -> Meta {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.parquet");
        let (_, stderr) = self.migtrace(&["record", "-o", path.to_str().unwrap(), "--", "true"]);
        migtrace::trace::Trace::open(&path).unwrap_or_else(|error| panic!("{error}\n{stderr}")).meta().clone()
    }

    fn paths(&self) -> Vec<String> {
        self.recorded().cgroups.into_values().collect()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        wait_for("the end of the last task", || fs::remove_dir(self.cgroup).ok());
    }
}

#[test]
fn a_namespace_with_its_own_mount_only_is_reported() {
    let mounts = "umount -l /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup &&";
    let own = Namespace::new("/sys/fs/cgroup/own", mounts);
    let (doctor, _) = own.migtrace(&["doctor"]);
    assert!(doctor.contains("degraded  cgroups"), "{doctor}");
    assert!(doctor.contains("cgroup v2 at /sys/fs/cgroup shows only a part of the hierarchy"), "{doctor}");
    let meta = own.recorded();
    assert_eq!(meta.cgroup_hierarchy.as_deref(), Some("cgroup v2, paths from the root of a cgroup namespace"));
    assert_eq!(own.paths(), ["/"]);
    let (_, stderr) = own.migtrace(&["record", "-o", "/dev/null", "--cgroup", "/own", "--", "true"]);
    assert!(stderr.contains("no cgroup /sys/fs/cgroup/own"), "{stderr}");
}

#[test]
fn a_namespace_that_sees_the_hosts_mount_has_its_paths() {
    let both = Namespace::new("/sys/fs/cgroup/both", "mount -t cgroup2 cgroup2 /mnt &&");
    let (doctor, _) = both.migtrace(&["doctor"]);
    assert!(doctor.contains("cgroup v2 at /sys/fs/cgroup: cgroup ids have paths"), "{doctor}");
    assert_eq!(both.recorded().cgroup_hierarchy.as_deref(), Some("cgroup v2"));
    assert_eq!(both.paths(), ["/both"]);
}
