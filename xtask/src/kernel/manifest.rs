//! kernels.toml: the kernels, and the source, patches and configuration or the packages of each.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use xtask_common::exit::Failure;

use crate::paths::Paths;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    source: BTreeMap<String, Source>,
    kernel: BTreeMap<String, Kernel>,
    stock: BTreeMap<String, Stock>,
}

/// Where a source tree comes from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    pub(super) debian_package: String,
    pub(super) debian_tarball: PathBuf,
    /// kernel.org's release, used if Debian's package is not available.
    pub(super) version: String,
    pub(super) url: String,
    /// SHA-256 of the file at `url`; not checked if `None`.
    pub(super) sha256: Option<String>,
}

/// A kernel that this task builds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kernel {
    pub(super) about: String,
    pub(super) source: String,
    /// Whether to apply the patch series.
    pub(super) series: bool,
    /// Files in xtask/kernel/config; later ones win.
    pub(super) fragments: Vec<String>,
    /// Lines that `make` prints for a build from scratch.
    pub(super) steps: u32,
    #[serde(default = "one")]
    pub(super) slowness: u32,
}

/// A kernel that a distribution built.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Stock {
    pub(super) about: String,
    #[serde(flatten)]
    pub(super) packages: Packages,
}

/// The source of a distribution's kernel.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Packages {
    /// This host's distribution: its newest package is used.
    Offered {
        /// Prefix of the packages' names; a version and the architecture follow.
        package_prefix: String,
    },
    /// Another distribution, whose signing keys this host does not have: its packages have pinned checksums.
    Pinned { debs: Vec<Deb> },
}

/// One package file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deb {
    pub(super) url: String,
    pub(super) sha256: String,
}

fn one() -> u32 {
    1
}

impl Manifest {
    /// Reads kernels.toml from the checkout.
    pub(super) fn read(paths: &Paths) -> Result<Manifest> {
        let file = paths.kernel_sources().join("kernels.toml");
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is invalid", file.display()))
    }

    /// Returns the kernel of that name, and its source.
    pub(super) fn kernel(&self, name: &str) -> Result<(&Kernel, &Source)> {
        let kernel = self.kernel.get(name).ok_or_else(|| self.unknown(name))?;
        let source = self.source.get(&kernel.source);
        let source =
            source.with_context(|| format!("kernels.toml: {name} has the unknown source {}", kernel.source))?;
        Ok((kernel, source))
    }

    /// Returns the distribution's kernel of that name, if there is one.
    pub(super) fn stock(&self, name: &str) -> Option<&Stock> {
        self.stock.get(name)
    }

    /// Returns Debian's packages of kernel source, and the files that they install.
    pub(super) fn debian_sources(self) -> impl Iterator<Item = (String, PathBuf)> {
        self.source.into_values().map(|source| (source.debian_package, source.debian_tarball))
    }

    fn unknown(&self, name: &str) -> Failure {
        let built = self.kernel.iter().map(|(name, kernel)| (name, &kernel.about));
        let stock = self.stock.iter().map(|(name, stock)| (name, &stock.about));
        let known: Vec<_> = built.chain(stock).map(|(name, about)| format!("{name} ({about})")).collect();
        Failure::Usage(format!("--kernel: unknown kernel {name}; known kernels: {}", known.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_checked_in_file_is_valid() {
        let manifest = Manifest::read(&Paths::find().expect("a checkout")).expect("readable");
        for name in manifest.kernel.keys() {
            manifest.kernel(name).expect("its source is there");
        }
        let in_help: BTreeSet<_> = crate::kernel::NAMES.split([' ', ',']).collect();
        for name in manifest.kernel.keys().chain(manifest.stock.keys()) {
            assert!(in_help.contains(&**name), "{name} is not in the help");
        }
        for (name, stock) in &manifest.stock {
            if let Packages::Pinned { debs } = &stock.packages {
                assert!(debs.iter().all(|deb| deb.sha256.len() == 64) && debs.len() == 2, "{name}");
            }
        }
        let (patched, _) = manifest.kernel(crate::kernel::DEFAULT).expect("the default kernel");
        assert!(patched.series);
        let error = manifest.kernel("nightly").expect_err("no such kernel");
        assert!(error.to_string().contains("debug (patched, with"), "{error}");
        assert!(error.to_string().contains("stock-6.1 (Debian's own Linux 6.1)"), "{error}");
        assert!(manifest.stock("stock-6.12").is_some() && manifest.stock("patched").is_none());
    }
}
