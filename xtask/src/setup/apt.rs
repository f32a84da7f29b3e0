//! Installing packages on Debian and its relatives.

use std::process::Command;

use anyhow::{Context, Result};
use nix::unistd::Uid;

use crate::{command, exit::Failure, progress::step};

/// Whether this machine has apt.
pub(super) fn is_here() -> bool {
    command::find("apt-get").is_some() && command::find("dpkg-query").is_some()
}

/// Whether the package lists know an installable version. Fetches the lists where there are none yet.
pub(super) fn offers(package: &str) -> Result<bool> {
    if !have_lists() {
        update()?;
    }
    let policy = command::output(Command::new("apt-cache").args(["policy", package]).env("LC_ALL", "C"));
    Ok(policy.is_ok_and(|text| has_candidate(&text)))
}

fn have_lists() -> bool {
    let is_list = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().contains("_Packages");
    std::fs::read_dir("/var/lib/apt/lists").is_ok_and(|entries| entries.flatten().any(is_list))
}

fn has_candidate(policy: &str) -> bool {
    let candidate = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate:"));
    candidate.is_some_and(|version| version.trim() != "(none)")
}

/// Brings the package lists up to date.
fn update() -> Result<()> {
    step("apt-get update", || command::output(as_root("apt-get")?.args(["--quiet=2", "update"])))
        .map(drop)
        .context(Failure::Environment("the package lists cannot be updated".into()))
}

/// Installs packages, and no more than these need. Never removes one.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    update()?;
    let text = format!("apt-get install {}", packages.join(" "));
    step(&text, || {
        let mut command = as_root("apt-get")?;
        command.args(["--quiet=2", "--yes", "--no-install-recommends", "--no-remove", "install"]).args(packages);
        // What dpkg says is of interest when it fails only.
        command::output(&mut command).map(drop)
    })
    .with_context(|| Failure::Environment(format!("packages cannot be installed: {}", packages.join(" "))))
}

/// The command as root: as it is, or with sudo.
fn as_root(program: &str) -> Result<Command> {
    let mut command = if Uid::effective().is_root() {
        Command::new("env")
    } else if command::find("sudo").is_some() {
        let mut sudo = Command::new("sudo");
        sudo.arg("env");
        sudo
    } else {
        let text = format!("{program} needs root, and there is no sudo: run `cargo xtask setup` as root");
        return Err(Failure::Environment(text).into());
    };
    command.args(["DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", program]);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_without_a_version_is_not_offered() {
        let policy = |candidate| format!("llvm-22-dev:\n  Installed: (none)\n  Candidate: {candidate}\n");
        assert!(has_candidate(&policy("1:22.1.8-1")));
        assert!(!has_candidate(&policy("(none)")));
        assert!(!has_candidate(""));
    }
}
