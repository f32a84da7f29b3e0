//! Builds the guest's first process, and says what its job is to see.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{cargo, paths::Paths};

/// The processor that the guest has; also what the host must be.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The first process, linked statically: it runs before there is a file system with libraries.
pub(super) fn init(paths: &Paths) -> Result<Vec<u8>> {
    let mut command = cargo::cargo(paths);
    command
        .args(["rustc", "--quiet", "--package", "xtask-guest", "--bin", "guest-init", "--release"])
        .arg(cargo::NAMES_EXECUTABLES);
    // A target directory of its own: its builds neither wait for others nor throw theirs away.
    command.args(["--target", TARGET, "--target-dir"]).arg(paths.target.join("guest"));
    let program = cargo::build_executable(command.args(LINKED_STATICALLY), "bin", "guest-init")
        .context("cannot build the guest's first process (static linking needs libc.a, Debian: libc6-dev)")?;
    fs::read(&program).with_context(|| format!("cannot read {}", program.display()))
}

const LINKED_STATICALLY: [&str; 6] =
    ["--", "-Ctarget-feature=+crt-static", "-Cpanic=abort", "-Cstrip=symbols", "-Copt-level=s", "-Cdebuginfo=0"];

/// Variables of the caller that mean the same in the guest.
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
/// And families of them.
const PASSED_FAMILIES: &[&str] = &["LC_", "RUST_", "MIGTRACE_", "INSTA_", "PROPTEST_"];

const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The job's environment: what is named above, and a PATH with `migtrace` in front.
pub(super) fn environment(collector: Option<&Path>) -> Vec<(OsString, OsString)> {
    let mut variables: Vec<_> = env::vars_os().filter(|(name, _)| passed(&name.to_string_lossy())).collect();
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

fn passed(name: &str) -> bool {
    PASSED.contains(&name) || PASSED_FAMILIES.iter().any(|family| name.starts_with(family))
}

/// The collector that was built last, if one is.
pub(crate) fn collector(paths: &Paths) -> Option<PathBuf> {
    let built = ["release", "debug"].map(|profile| paths.target.join(profile).join("migtrace"));
    let age = |path: &PathBuf| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    built.into_iter().filter(|path| path.is_file()).max_by_key(age)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_the_caller_stay_outside() {
        for name in ["TERM", "LC_ALL", "RUST_LOG", "MIGTRACE_LOG"] {
            assert!(passed(name), "{name}");
        }
        for name in ["PATH", "GITHUB_TOKEN", "SSH_AUTH_SOCK", "LD_LIBRARY_PATH", "CARGO_HOME"] {
            assert!(!passed(name), "{name}");
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
