//! The directories of all tasks: the checkout, cargo's target directory, and the user's cache.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use xtask_common::exit::Failure;

/// The directories that all tasks share.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    /// The workspace's root.
    pub(crate) checkout: PathBuf,
    /// Cargo's target directory.
    pub(crate) target: PathBuf,
    /// Kernels, tools and the result of the KVM trial, which are costly to get; shared by all checkouts of a user.
    pub(crate) cache: PathBuf,
}

impl Paths {
    /// Finds the directories from the environment variables that cargo sets.
    pub(crate) fn find() -> Result<Paths> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let manifest = PathBuf::from(manifest);
        let checkout = manifest.parent().unwrap_or(&manifest).canonicalize();
        let checkout = checkout.with_context(|| format!("cannot find the checkout around {}", manifest.display()))?;
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
        Ok(Paths { target: checkout.join(target), cache: cache()?, checkout })
    }

    /// Returns the path of the BPF object that the collector embeds.
    pub(crate) fn bpf_object(&self) -> PathBuf {
        self.target.join("bpf/migtrace")
    }

    /// Returns xtask/kernel in the checkout, with the patches, the configuration fragments and kernels.toml.
    pub(crate) fn kernel_sources(&self) -> PathBuf {
        self.checkout.join("xtask/kernel")
    }
}

fn cache() -> Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME").filter(|value| Path::new(value).is_absolute()) {
        Some(base) => PathBuf::from(base),
        None => env::home_dir().map(|home| home.join(".cache")).ok_or_else(|| {
            Failure::Environment("no directory for the kernel cache: set HOME or XDG_CACHE_HOME".into())
        })?,
    };
    Ok(base.join("migtrace"))
}
