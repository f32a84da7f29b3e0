//! Runs cargo on the workspace's own crates.

use std::{env, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};
use xtask_common::{command, progress::step};

use crate::paths::Paths;

/// Returns the cargo that started this task, to be run in the checkout.
pub(crate) fn cargo(paths: &Paths) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(&paths.checkout);
    // In cargo's default target directory the collector finds the object without this variable. Setting it there would
    // make cargo compile the collector again.
    if paths.target != paths.checkout.join("target") {
        command.env("MIGTRACE_BPF_OBJECT", paths.bpf_object());
    }
    command
}

/// Makes cargo print the paths of the executables that it built, for [`build_executable`].
pub(crate) const NAMES_EXECUTABLES: &str = "--message-format=json-render-diagnostics";

/// Runs a cargo build with [`NAMES_EXECUTABLES`], and returns the path of a target's executable.
///
/// `kind` is cargo's kind of target: bin or test. Compiler messages go to standard error as cargo prints them.
pub(crate) fn build_executable(command: &mut Command, kind: &str, name: &str) -> Result<PathBuf> {
    let output = command.stderr(std::process::Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot start `{}`", command::shown(command)))?;
    if !output.status.success() {
        bail!("`{}` failed: {}", command::shown(command), output.status);
    }
    let found = executable_in(&String::from_utf8_lossy(&output.stdout), kind, name);
    found.with_context(|| format!("`{}` named no executable of the {kind} {name}", command::shown(command)))
}

/// Builds the collector in release mode.
pub(crate) fn build_collector(paths: &Paths) -> Result<PathBuf> {
    step("building migtrace", || {
        let mut build = cargo(paths);
        build.args(["build", "--release", "--package", "migtrace", "--bin", "migtrace"]).arg(NAMES_EXECUTABLES);
        build_executable(&mut build, "bin", "migtrace").context("cannot build migtrace")
    })
}

/// Finds a target's executable in cargo's JSON messages. The build of a test lists the tested program too.
fn executable_in(messages: &str, kind: &str, name: &str) -> Option<PathBuf> {
    let parse = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok();
    messages.lines().filter_map(parse).find_map(|message| {
        let target = &message["target"];
        let of_kind = target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|other| other == kind));
        let path = message["executable"].as_str().filter(|_| of_kind && target["name"] == name);
        path.map(PathBuf::from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"libc"},"executable":null}
not json
{"reason":"compiler-artifact","target":{"kind":["test"],"name":"kernel"},"executable":"/t/debug/deps/kernel-1f"}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"migtrace"},"executable":"/t/debug/migtrace"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable_in(messages, "test", "kernel"), Some(PathBuf::from("/t/debug/deps/kernel-1f")));
        assert_eq!(executable_in(messages, "bin", "migtrace"), Some(PathBuf::from("/t/debug/migtrace")));
        assert_eq!(executable_in(messages, "bin", "kernel"), None);
    }
}
