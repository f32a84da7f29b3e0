//! Kernel source: the tarball, and trees unpacked from it that the patch series is applied to.

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

/// A source of one exact version.
#[derive(Clone, Debug)]
pub(super) struct Pinned {
    /// Names the version; part of the cache key.
    pub(super) id: String,
    tarball: PathBuf,
    /// To be fetched where the tarball is missing.
    download: Option<Source>,
}

impl Pinned {
    /// Debian's tarball if it is installed, else kernel.org's of the pinned release.
    pub(super) fn find(source: &Source, downloads: &Path) -> Result<Pinned> {
        if let Ok(metadata) = fs::metadata(&source.debian_tarball) {
            let mut ask = Command::new("dpkg-query");
            ask.args(["--show", "--showformat=${Version}", &source.debian_package]);
            let id = match command::output(&mut ask) {
                Ok(version) if !version.is_empty() => format!("debian-{version}"),
                // Not from a package: its size and age identify it.
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
            download::fetch(&source.url, &self.tarball, source.sha256.as_deref())
                .with_context(|| format!("no kernel source: Debian's {} is not installed", source.debian_package))
        };
        step(&format!("downloading Linux {}", source.version), fetch)
    }
}

/// A place where one source is unpacked, patched, and built; the caller holds the lock.
pub(super) struct Workshop {
    root: PathBuf,
}

impl Workshop {
    /// The workshop for a source with or without the series.
    pub(super) fn new(trees: &Path, pinned: &Pinned, series: bool) -> Workshop {
        let name = format!("{}-{}", pinned.id, if series { "series" } else { "plain" });
        Workshop { root: trees.join(name) }
    }

    /// The source tree.
    pub(super) fn source(&self) -> PathBuf {
        self.root.join("linux")
    }

    /// Where the kernel of that name is built. Objects are used again: sources that a patch changes get a new time.
    pub(super) fn objects(&self, kernel: &str) -> PathBuf {
        self.root.join(format!("build-{kernel}"))
    }

    /// Unpacks the tree if there is none, and brings it to the wanted patches.
    pub(super) fn prepare(&self, pinned: &Pinned, patches: &[Patch]) -> Result<()> {
        let (source, applied, unsure) = (self.source(), self.root.join("applied"), self.root.join("unsure"));
        let tree = Tree { source: &source, applied: &applied };
        if source.exists() && !unsure.exists() {
            fs::write(&unsure, "").context("cannot mark the source tree")?;
            match tree.bring_to(patches) {
                Ok(()) => return fs::remove_file(&unsure).context("cannot unmark the source tree"),
                Err(error) => say(format!("starting from a new source tree: {error:#}")),
            }
        }
        // Objects too: those of a tree in no known state may be newer than its sources.
        let _ = fs::remove_dir_all(&self.root);
        create_dir(&self.root)?;
        pinned.fetch()?;
        fs::write(&unsure, "").context("cannot mark the source tree")?;
        step(&format!("unpacking {}", pinned.tarball.display()), || {
            create_dir(&source)?;
            let mut tar = Command::new("tar");
            tar.args(["--extract", "--strip-components=1", "--file"]).arg(&pinned.tarball);
            command::run(tar.arg("--directory").arg(&source))
        })?;
        tree.bring_to(patches)?;
        fs::remove_file(&unsure).context("cannot unmark the source tree")
    }
}
