//! Builds the guest's first process, and selects the environment of its job.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{cargo, paths::Paths};

/// The target of the guest's first process. The host must have the same architecture.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds the first process. It is linked statically, because it runs before a file system with libraries is mounted.
pub(super) fn init(paths: &Paths) -> Result<Vec<u8>> {
    let mut command = cargo::cargo(paths);
    command
        .args(["rustc", "--quiet", "--package", "xtask-guest", "--bin", "guest-init", "--release"])
        .arg(cargo::NAMES_EXECUTABLES);
    // In a separate target directory, this build neither waits for other builds nor invalidates them.
    command.args(["--target", TARGET, "--target-dir"]).arg(paths.target.join("guest"));
    let program = cargo::build_executable(command.args(LINKED_STATICALLY), "bin", "guest-init")
        .context("cannot build the guest's first process (static linking needs libc.a, Debian: libc6-dev)")?;
    fs::read(&program).with_context(|| format!("cannot read {}", program.display()))
}

const LINKED_STATICALLY: [&str; 6] =
    ["--", "-Ctarget-feature=+crt-static", "-Cpanic=abort", "-Cstrip=symbols", "-Copt-level=s", "-Cdebuginfo=0"];

/// Variables of the caller that have the same meaning in the guest.
const PASSED: &[&str] = &[
    "HOME",
    "USER",
    "LOGNAME",
    "TERM",
    "COLORTERM",
    "NO_COLOR",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "LANG",
    "LANGUAGE",
    "TZ",
    "CI",
];
/// Prefixes of such variables.
const PASSED_PREFIXES: &[&str] = &["LC_", "RUST_", "MIGTRACE_", "INSTA_", "PROPTEST_"];

const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Returns the job's environment: the variables above, and a PATH that starts with `migtrace`'s directory.
pub(super) fn environment(collector: Option<&Path>) -> Vec<(OsString, OsString)> {
    let mut variables: Vec<_> = env::vars_os().filter(|(name, _)| is_passed(&name.to_string_lossy())).collect();
    let mut path = OsString::new();
    if let Some(directory) = collector.and_then(Path::parent) {
        path.push(directory);
        path.push(":");
    }
    path.push(SYSTEM_PATH);
    variables.push(("PATH".into(), path));
    variables.push(("MIGTRACE_IN_VM".into(), "1".into()));
    if !variables.iter().any(|(name, _)| name == "TERM") {
        variables.push(("TERM".into(), "dumb".into()));
    }
    variables
}

fn is_passed(name: &str) -> bool {
    PASSED.contains(&name) || PASSED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Returns the collector that was built last, if there is one.
pub(crate) fn collector(paths: &Paths) -> Option<PathBuf> {
    let built = ["release", "debug"].map(|profile| paths.target.join(profile).join("migtrace"));
    let age = |path: &PathBuf| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    built.into_iter().filter(|path| path.is_file()).max_by_key(age)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_the_caller_are_not_passed() {
        for name in ["TERM", "LC_ALL", "RUST_LOG", "MIGTRACE_LOG"] {
            assert!(is_passed(name), "{name}");
        }
        for name in ["PATH", "GITHUB_TOKEN", "SSH_AUTH_SOCK", "LD_LIBRARY_PATH", "CARGO_HOME"] {
            assert!(!is_passed(name), "{name}");
        }
    }

    #[test]
    fn the_collector_comes_first_on_the_path() {
        let path = |collector: Option<&Path>| {
            let found = environment(collector).into_iter().find(|(name, _)| name == "PATH");
            found.map(|(_, value)| value.into_string().expect("UTF-8"))
        };
        assert_eq!(path(None).as_deref(), Some(SYSTEM_PATH));
        let with = path(Some(Path::new("/c/target/release/migtrace")));
        assert_eq!(with, Some(format!("/c/target/release:{SYSTEM_PATH}")));
    }
}
