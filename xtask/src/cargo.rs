//! Calling cargo for the workspace's own crates.

use std::{env, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};

use crate::{command, paths::Paths};

/// The cargo that started this task, in the checkout.
pub(crate) fn cargo(paths: &Paths) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(&paths.checkout);
    // Where the collector looks by itself nothing is set: a changed variable would have it compiled anew.
    if paths.target != paths.checkout.join("target") {
        command.env("MIGTRACE_BPF_OBJECT", paths.bpf_object());
    }
    command
}

/// The option with which cargo names what it built, for [`build_executable`].
pub(crate) const NAMES_EXECUTABLES: &str = "--message-format=json-render-diagnostics";

/// Runs a cargo command that builds one executable, given [`NAMES_EXECUTABLES`], and says where that is.
///
/// Compiler messages go to standard error as cargo prints them.
pub(crate) fn build_executable(command: &mut Command) -> Result<PathBuf> {
    let output = command.stderr(std::process::Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot start `{}`", command::shown(command)))?;
    if !output.status.success() {
        bail!("`{}` failed: {}", command::shown(command), output.status);
    }
    let found = executable_in(&String::from_utf8_lossy(&output.stdout));
    found.with_context(|| format!("`{}` named no executable", command::shown(command)))
}

/// The last executable that cargo's JSON messages name.
fn executable_in(messages: &str) -> Option<PathBuf> {
    let parse = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok();
    messages.lines().rev().filter_map(parse).find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"libc"},"executable":null}
not json
{"reason":"compiler-artifact","target":{"name":"kernel"},"executable":"/t/debug/deps/kernel-1f"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable_in(messages), Some(PathBuf::from("/t/debug/deps/kernel-1f")));
        assert_eq!(executable_in(r#"{"reason":"build-finished","success":false}"#), None);
    }
}
