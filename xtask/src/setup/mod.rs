//! `cargo xtask setup`: installs the requirements of the other tasks.
//!
//! A requirement is detected by its program or header, not by its package, so that it is found on every distribution.
//! Installing works on Debian and its derivatives only.

mod apt;
mod bpf;
pub(crate) mod emulator;
mod need;
mod prometheus;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use xtask_common::{
    exit::{FINE, Failure},
    progress::say,
};

use self::need::Need;
pub(crate) use self::{apt::download, need::Purpose, prometheus::programs as prometheus};
use crate::paths::Paths;

/// Install all requirements: packages, BPF toolchain, tools of the checks, Prometheus
#[derive(Args, Debug)]
pub(crate) struct Options {}

impl Options {
    /// Installs the requirements of all tasks. `sources` are the packages of kernel source, with the file that each
    /// installs; `lint` installs the tools of the checks.
    pub(crate) fn run(
        &self,
        paths: &Paths,
        sources: &[(String, PathBuf)],
        lint: impl FnOnce(&Paths) -> Result<()>,
    ) -> Result<u8> {
        ensure(paths, &[Purpose::Kernel, Purpose::Machine, Purpose::Bpf, Purpose::Bench, Purpose::Release])?;
        lint(paths)?;
        for (package, tarball) in sources {
            kernel_source(package, tarball)?;
        }
        if prometheus(paths)?.is_none() {
            say("no Prometheus package available: tests that need Prometheus will be skipped");
        }
        say("everything is installed");
        Ok(FINE)
    }
}

/// Installs the missing requirements for these purposes. Prints nothing if none is missing.
pub(crate) fn ensure(paths: &Paths, purposes: &[Purpose]) -> Result<()> {
    let is_private = |need: &&Need| need.package == EMULATOR && emulator::is_here(paths);
    let missing: Vec<&Need> = need::missing(purposes).filter(|need| !is_private(need)).collect();
    if !missing.is_empty() {
        install(paths, &missing)?;
    }
    if purposes.contains(&Purpose::Bpf) {
        bpf::ensure(paths)?;
    }
    Ok(())
}

/// Installs a Debian package of kernel source if apt offers it. If not, the kernel's build downloads kernel.org's
/// source.
pub(crate) fn kernel_source(package: &str, tarball: &Path) -> Result<()> {
    if !tarball.exists() && apt::is_here() && apt::offers(package)? {
        say(format!("missing: {} (kernel source), in package {package}", tarball.display()));
        apt::install(&[package])?;
    }
    Ok(())
}

/// Debian's package of the emulator.
const EMULATOR: &str = "qemu-system-x86";

fn install(paths: &Paths, missing: &[&Need]) -> Result<()> {
    if !apt::is_here() {
        return Err(Failure::Environment(unknown_distribution(missing)).into());
    }
    for need in missing {
        say(format!("missing: {} ({}), in package {}", need.what, need.why, need.package));
    }
    let mut packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    packages.dedup();
    if packages.contains(&EMULATOR) && apt::offers(EMULATOR)? {
        let plan = apt::plan(EMULATOR)?;
        if !plan.removes.is_empty() {
            emulator::unpack(paths, EMULATOR, &plan)?;
            packages.retain(|&package| package != EMULATOR);
        }
    }
    if !packages.is_empty() {
        apt::install(&packages)?;
    }
    let is_there = |need: &&&Need| need.is_met() || (need.package == EMULATOR && emulator::is_here(paths));
    let unmet: Vec<_> = missing.iter().filter(|need| !is_there(need)).map(|need| need.what).collect();
    if unmet.is_empty() {
        return Ok(());
    }
    let text = format!("still missing after installing the packages: {}", unmet.join(", "));
    Err(Failure::Environment(text).into())
}

fn unknown_distribution(missing: &[&Need]) -> String {
    let line = |need: &&Need| format!("  {} ({}); Debian's package: {}", need.what, need.why, need.package);
    let list: Vec<_> = missing.iter().map(line).collect();
    format!(
        "packages can be installed on Debian and its derivatives only. Install these, then run the \
         command again:\n{}",
        list.join("\n")
    )
}
