//! Files made under sudo: they belong to the user who called sudo, and that user can read them.
//!
//! Only root can give files away. As another user the tests are skipped with a message.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test, with its line")]

use std::{
    fs,
    io::Write,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::Path,
    process::{Command, Output},
};

use migtrace::{testkit, trace::Writer};

/// An ordinary user and group, with no name on most systems.
const USER: u32 = 60_123;
const GROUP: u32 = 60_124;

fn is_root(test: &str) -> bool {
    // SAFETY: has no preconditions.
    let is_root = unsafe { libc::geteuid() } == 0;
    if !is_root {
        // Not by println!: libtest captures that, and does not show it for a test that passes.
        let mut out = std::io::stdout();
        writeln!(out, "test {test} ... skipped: only root can give files away").unwrap();
    }
    is_root
}

/// Writes a trace; `is_whole`: to its end, otherwise as if the recorder had been killed.
fn record(path: &Path, is_whole: bool) {
    let (meta, events) = testkit::lazy(8, 0..8);
    let mut writer = Writer::create(path, &meta).unwrap();
    events.iter().for_each(|event| writer.push(event).unwrap());
    if is_whole {
        writer.finish(&meta).unwrap();
    }
}

fn migtrace(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_migtrace"));
    command.current_dir(dir).env_remove("MIGTRACE_LOG").env_remove("SUDO_UID").env_remove("SUDO_GID");
    command
}

fn under_sudo(dir: &Path, args: &[&str]) -> Output {
    migtrace(dir).env("SUDO_UID", USER.to_string()).env("SUDO_GID", GROUP.to_string()).args(args).output().unwrap()
}

fn owner(path: &Path) -> (u32, u32, u32) {
    let file = fs::metadata(path).unwrap();
    (file.uid(), file.gid(), file.mode() & 0o777)
}

#[test]
fn files_made_under_sudo_belong_to_its_user() {
    if !is_root("files_made_under_sudo_belong_to_its_user") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::set_permissions(dir, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    record(&dir.join("run.parquet"), true);
    let export = ["export", "run.parquet", "--format", "csv", "-o", "run.csv"];
    let plot = ["compare", "run.parquet", "--vs", "run.parquet", "--plot", "plot.svg"];
    for (args, file) in [(&export[..], "run.csv"), (&plot[..], "plot.svg")] {
        let output = under_sudo(dir, args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(owner(&dir.join(file)), (USER, GROUP, 0o600), "{file}");
    }
    // A recording needs tracing; a recovered one is made the same way.
    record(&dir.join("cut.parquet"), false);
    let output = under_sudo(dir, &["recover", "cut.parquet"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(owner(&dir.join("cut.parquet")), (USER, GROUP, 0o600));
    // An existing file keeps its owner.
    fs::write(dir.join("old.csv"), "").unwrap();
    let before = owner(&dir.join("old.csv"));
    under_sudo(dir, &["export", "run.parquet", "--format", "csv", "-o", "old.csv"]);
    assert_eq!(owner(&dir.join("old.csv")), before);

    let as_user = |file: &str| migtrace(dir).args(["summary", file]).uid(USER).gid(GROUP).output().unwrap();
    assert!(as_user("cut.parquet").status.success());
    let output = as_user("run.parquet");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(stderr.contains("belongs to another user: use sudo, or `sudo chown $USER run.parquet`"), "{stderr}");
}

#[test]
fn without_sudo_a_file_belongs_to_the_user_of_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    record(&dir.join("run.parquet"), true);
    let output = migtrace(dir).args(["export", "run.parquet", "--format", "csv", "-o", "run.csv"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made = fs::metadata(dir.join("run.csv")).unwrap();
    // SAFETY: has no preconditions.
    assert_eq!((made.uid(), made.mode() & 0o777), (unsafe { libc::geteuid() }, 0o600));
}
