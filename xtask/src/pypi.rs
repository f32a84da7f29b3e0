//! Installs programs from PyPI into Python environments of the project.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};
use xtask_common::{command, exit::Failure, progress::say};

/// Parts of pip's messages that mean that the network is unreachable. Every other failure is an error.
const UNREACHABLE: [&str; 6] = [
    "Failed to establish a new connection",
    "name resolution",
    "Name or service not known",
    "Network is unreachable",
    "Max retries exceeded",
    "Read timed out",
];

/// The part of pip's message that means that a version has no prebuilt package for this Python.
const UNSUPPORTED: &str = "No matching distribution found";

/// Names and exact versions of packages.
pub(crate) type Packages<'a> = &'a [(&'a str, &'a str)];

/// Whether an environment contains exactly the wanted packages.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Environment {
    Ready,
    /// PyPI cannot be reached, and the packages are not installed yet.
    Unreachable,
    /// A package has no prebuilt version for this version of Python.
    Unsupported,
}

/// Installs the packages into an environment in the directory `place`, unless they are installed. Compiles none: only
/// prebuilt packages are accepted.
pub(crate) fn ensure(place: &Path, packages: Packages<'_>) -> Result<Environment> {
    let packages: Vec<_> = packages.iter().map(|(name, version)| format!("{name}=={version}")).collect();
    let stamp = place.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == packages.join("\n")) {
        return Ok(Environment::Ready);
    }
    say(format!("installing {} from PyPI into {}", packages.join(", "), place.display()));
    let venv = command::output(Command::new("python3").args(["-m", "venv"]).arg(place));
    venv.map_err(|e| Failure::Environment(format!("{e:#}\nDebian's package python3-venv provides it")))?;
    let mut pip = Command::new(place.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--only-binary", ":all:"]).args(&packages);
    match command::output(&mut pip) {
        Ok(_) => {
            fs::write(&stamp, packages.join("\n")).with_context(|| format!("cannot write {}", stamp.display()))?;
            Ok(Environment::Ready)
        }
        Err(error) if UNREACHABLE.iter().any(|sign| format!("{error:#}").contains(sign)) => {
            Ok(Environment::Unreachable)
        }
        Err(error) if format!("{error:#}").contains(UNSUPPORTED) => Ok(Environment::Unsupported),
        Err(error) => Err(error),
    }
}
