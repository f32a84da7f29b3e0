//! Kernel source: finds the tarball, unpacks it into trees, and applies the patch series to them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::UNIX_EPOCH,
};

use anyhow::{Context, Result};
use xtask_common::{
    command,
    files::create_dir,
    progress::{say, step},
};

use super::{
    manifest::Source,
    series::{Patch, Tree},
};
use crate::download;

/// Kernel source of one exact version.
#[derive(Clone, Debug)]
pub(super) struct Pinned {
    /// The version; part of the cache key.
    pub(super) id: String,
    tarball: PathBuf,
    /// Where to download the tarball if it is missing; `None` for Debian's tarball.
    download: Option<Source>,
}

impl Pinned {
    /// Returns Debian's tarball if it is installed, else kernel.org's tarball of the pinned release.
    pub(super) fn find(source: &Source, downloads: &Path) -> Result<Pinned> {
        if let Ok(metadata) = fs::metadata(&source.debian_tarball) {
            let mut query = Command::new("dpkg-query");
            query.args(["--show", "--showformat=${Version}", &source.debian_package]);
            let id = match command::output(&mut query) {
                Ok(version) if !version.is_empty() => format!("debian-{version}"),
                // The tarball is not from a package: its size and time identify it.
                _ => {
                    let age = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
                    format!("file-{}-{}", metadata.len(), age.as_secs())
                }
            };
            return Ok(Pinned { id: id.replace('/', "_"), tarball: source.debian_tarball.clone(), download: None });
        }
        let name = source.url.rsplit('/').next().unwrap_or_default();
        let id = format!("linux-{}", source.version);
        Ok(Pinned { id, tarball: downloads.join(name), download: Some(source.clone()) })
    }

    fn fetch(&self) -> Result<()> {
        let Some(source) = self.download.as_ref().filter(|_| !self.tarball.exists()) else { return Ok(()) };
        let fetch = || {
            let package = &source.debian_package;
            download::fetch(&source.url, &self.tarball, source.sha256.as_deref())
                .with_context(|| format!("no kernel source: Debian's package {package} is not installed"))
        };
        step(&format!("downloading Linux {}", source.version), fetch)
    }
}

/// A directory in which one source is unpacked, patched and built. The caller holds the store's lock.
pub(super) struct Workshop {
    root: PathBuf,
}

impl Workshop {
    /// Returns the workshop for a source with or without the series.
    pub(super) fn new(trees: &Path, pinned: &Pinned, series: bool) -> Workshop {
        let name = format!("{}-{}", pinned.id, if series { "series" } else { "plain" });
        Workshop { root: trees.join(name) }
    }

    /// Returns the directory of the source tree.
    pub(super) fn source(&self) -> PathBuf {
        self.root.join("linux")
    }

    /// Returns the directory in which the kernel of that name is built. make can reuse its objects, because patched
    /// files get a new time.
    pub(super) fn objects(&self, kernel: &str) -> PathBuf {
        self.root.join(format!("build-{kernel}"))
    }

    /// Unpacks the tree if it is missing, and brings it to the wanted patches.
    pub(super) fn prepare(&self, pinned: &Pinned, patches: &[Patch]) -> Result<()> {
        let (source, applied, unsure) = (self.source(), self.root.join("applied"), self.root.join("unsure"));
        let tree = Tree { source: &source, applied: &applied };
        if source.exists() && !unsure.exists() {
            fs::write(&unsure, "").context("cannot mark the source tree as unfinished")?;
            match tree.bring_to(patches) {
                Ok(()) => return fs::remove_file(&unsure).context("cannot mark the source tree as finished"),
                Err(error) => say(format!("unpacking the source tree again: {error:#}")),
            }
        }
        // Removes the objects too: objects of a tree in an unknown state may be newer than its sources.
        let _ = fs::remove_dir_all(&self.root);
        create_dir(&self.root)?;
        pinned.fetch()?;
        fs::write(&unsure, "").context("cannot mark the source tree as unfinished")?;
        step(&format!("unpacking {}", pinned.tarball.display()), || {
            create_dir(&source)?;
            let mut tar = Command::new("tar");
            tar.args(["--extract", "--strip-components=1", "--file"]).arg(&pinned.tarball);
            command::run(tar.arg("--directory").arg(&source))
        })?;
        tree.bring_to(patches)?;
        fs::remove_file(&unsure).context("cannot mark the source tree as finished")
    }
}
