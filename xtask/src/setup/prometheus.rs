//! Prometheus for the tests of `migtrace serve`: Debian's package, unpacked into the cache.
//!
//! The package is not installed, because that would start Prometheus as a service of this machine.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result};
use xtask_common::{command, files::create_dir, progress::step};

use super::apt;
use crate::paths::Paths;

const PACKAGE: &str = "prometheus";

/// Returns the directory of its programs, and fetches the package if it is missing. `None` if the distribution has
/// none.
pub(crate) fn programs(paths: &Paths) -> Result<Option<PathBuf>> {
    let place = paths.cache.join(PACKAGE);
    let programs = place.join("usr/bin");
    if programs.join(PACKAGE).exists() {
        return Ok(Some(programs));
    }
    if !apt::is_here() || !apt::offers(PACKAGE)? {
        return Ok(None);
    }
    step(&format!("fetching and unpacking {PACKAGE}"), || {
        create_dir(&paths.cache)?;
        let work = tempfile::tempdir_in(&paths.cache).context("cannot create a directory in the cache")?;
        let root = work.path().join("root");
        create_dir(&root)?;
        apt::download(&[PACKAGE], work.path())?;
        let deb =
            fs::read_dir(work.path()).context("cannot read the fetched package")?.flatten().map(|entry| entry.path());
        for deb in deb.filter(|path| path.is_file()) {
            command::run(Command::new("dpkg").arg("--extract").arg(deb).arg(&root))?;
        }
        // The next task must not find a Prometheus that does not start.
        command::output(Command::new(root.join("usr/bin").join(PACKAGE)).arg("--version"))
            .context("the unpacked Prometheus does not start")?;
        fs::rename(&root, &place).with_context(|| format!("cannot move Prometheus to {}", place.display()))
    })?;
    Ok(Some(programs))
}
