//! Installs packages on Debian and its derivatives.

use std::{path::Path, process::Command};

use anyhow::{Context, Result};
use nix::unistd::Uid;
use xtask_common::{command, exit::Failure, progress::step};

/// Returns whether this machine has apt.
pub(super) fn is_here() -> bool {
    command::find("apt-get").is_some() && command::find("dpkg-query").is_some()
}

/// Returns whether the package lists have an installable version. Fetches the lists if there are none yet.
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

/// Updates the package lists.
fn update() -> Result<()> {
    step("apt-get update", || command::output(as_root("apt-get")?.args(["--quiet=2", "update"])))
        .map(drop)
        .context(Failure::Environment("cannot update the package lists".into()))
}

/// Installs packages and their dependencies, without recommended packages. Never removes a package.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    update()?;
    let text = format!("apt-get install {}", packages.join(" "));
    step(&text, || {
        let mut command = as_root("apt-get")?;
        command.args(["--quiet=2", "--yes", "--no-install-recommends", "--no-remove", "install"]).args(packages);
        command::output(&mut command).map(drop)
    })
    .with_context(|| Failure::Environment(format!("cannot install packages: {}", packages.join(" "))))
}

/// The changes that installing a package would make.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Packages that would be installed, as `name=version`.
    pub(super) installs: Vec<String>,
    /// Packages that would be removed.
    pub(super) removes: Vec<String>,
}

/// Simulates installing a package.
pub(super) fn plan(package: &str) -> Result<Plan> {
    let mut command = Command::new("apt-get");
    command.env("LC_ALL", "C.UTF-8").args(["--simulate", "--no-install-recommends", "install", package]);
    Ok(parse_plan(&command::output(&mut command)?))
}

/// Parses lines like `Inst flex (2.6.4-8.2 Debian:12.15/oldstable [amd64])`, `Inst qemu-utils [7.1] (7.2 ...)` and
/// `Remv qemu-utils [10.0]`.
fn parse_plan(simulation: &str) -> Plan {
    let mut plan = Plan::default();
    for line in simulation.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("Inst"), Some(name)) => {
                let version = words.find_map(|word| word.strip_prefix('('));
                plan.installs.extend(version.map(|version| format!("{name}={version}")));
            }
            (Some("Remv"), Some(name)) => plan.removes.push(name.to_owned()),
            _ => {}
        }
    }
    plan
}

/// Fetches packages into a directory, without installing them. Works as any user.
pub(crate) fn download(packages: &[&str], into: &Path) -> Result<()> {
    let mut download = Command::new("apt-get");
    download.args(["--quiet=2", "--option=APT::Sandbox::User=root", "download"]).args(packages).current_dir(into);
    command::run(&mut download)
        .with_context(|| Failure::Environment(format!("cannot download packages: {}", packages.join(" "))))
}

/// Returns a command that runs the program as root, with sudo if this process is not root.
fn as_root(program: &str) -> Result<Command> {
    let mut command = if Uid::effective().is_root() {
        Command::new("env")
    } else if command::find("sudo").is_some() {
        let mut sudo = Command::new("sudo");
        sudo.arg("env");
        sudo
    } else {
        let text = format!("{program} needs root, and sudo is not installed: run `cargo xtask setup` as root");
        return Err(Failure::Environment(text).into());
    };
    command.args(["DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", program]);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulation_lists_installed_and_removed_packages() {
        let simulation = "Reading package lists...\nRemv qemu-utils [1:10.0.2+ds-2]\n\
                          Inst cpio (2.13+dfsg-7.1 Debian:12.15/oldstable [amd64])\n\
                          Inst libfdt1 [1.6.0] (1.6.1-4+b1 Debian:12.15/oldstable [amd64]) []\nConf cpio (2.13)\n";
        let plan = parse_plan(simulation);
        assert_eq!(plan.removes, ["qemu-utils"]);
        assert_eq!(plan.installs, ["cpio=2.13+dfsg-7.1", "libfdt1=1.6.1-4+b1"]);
    }

    #[test]
    fn a_package_without_a_version_is_not_offered() {
        let policy = |candidate| format!("llvm-22-dev:\n  Installed: (none)\n  Candidate: {candidate}\n");
        assert!(has_candidate(&policy("1:22.1.8-1")));
        assert!(!has_candidate(&policy("(none)")));
        assert!(!has_candidate(""));
    }
}
