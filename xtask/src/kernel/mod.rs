//! `cargo xtask kernel`: builds kernels from source, patch series and configuration fragments.
//!
//! Keeps the built kernels in a cache outside the checkout. `vm` boots them.

mod build;
mod config;
mod image;
mod manifest;
mod series;
mod source;
mod stock;
mod store;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use xtask_common::{
    exit::FINE,
    progress::{say, step},
};

pub(crate) use self::image::{Image, Module};
use self::{
    manifest::Manifest,
    source::{Pinned, Workshop},
    store::{Recipe, Store},
};
use crate::{
    paths::Paths,
    setup::{self, Purpose},
};

/// The default kernel.
pub(crate) const DEFAULT: &str = "patched";

/// The names of all kernels, for help.
pub(crate) const NAMES: &str = "patched, debug, unpatched (built here), stock-6.12, stock-6.1 (Debian's), \
                                stock-5.15, stock-6.8, stock-6.17, stock-7.0 (Ubuntu's)";

/// Build or download a kernel for the virtual machine
///
/// Patches and configuration are in xtask/kernel; kernels are kept in ~/.cache/migtrace. Prints the path of the image.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Kernel to build or to download
    #[arg(long, value_name = "NAME", default_value = DEFAULT, help = format!("Kernel to build or to download: {NAMES}"))]
    kernel: String,
}

impl Options {
    /// Builds the kernel unless the cache has it, and prints the path of the image.
    pub(crate) fn run(&self, paths: &Paths) -> Result<u8> {
        println!("{}", image(paths, &self.kernel)?.bzimage.display());
        Ok(FINE)
    }
}

/// Returns Debian's packages of kernel source, and the files that they install.
pub(crate) fn debian_sources(paths: &Paths) -> Result<Vec<(String, PathBuf)>> {
    Ok(Manifest::read(paths)?.debian_sources().collect())
}

/// Returns the kernel of that name, and builds it if the cache lacks it.
pub(crate) fn image(paths: &Paths, name: &str) -> Result<Image> {
    setup::ensure(paths, &[Purpose::Kernel])?;
    let manifest = Manifest::read(paths)?;
    let store = Store::at(&paths.cache.join("kernel"));
    if let Some(stock) = manifest.stock(name) {
        return stock::image(&store, name, stock);
    }
    let (kernel, source) = manifest.kernel(name)?;
    setup::kernel_source(&source.debian_package, &source.debian_tarball)?;
    let pinned = Pinned::find(source, &store.downloads())?;
    let patches = if kernel.series { series::read(&paths.kernel_sources().join("patches"))? } else { Vec::new() };
    let fragments = config::read(&paths.kernel_sources().join("config"), &kernel.fragments)?;
    let key = Recipe { source: &pinned.id, patches: &patches, fragments: &fragments, tools: &store::tools()? }.key();
    let image =
        |bzimage| Image { name: name.to_owned(), bzimage, modules: Vec::new(), zram: true, slowness: kernel.slowness };
    if let Some(bzimage) = store.find(name, &key) {
        return Ok(image(bzimage));
    }
    let _lock = store.lock("built")?;
    if let Some(bzimage) = store.find(name, &key) {
        return Ok(image(bzimage));
    }
    say(format!(
        "the {name} kernel ({}) is not built yet (recipe {key}): building takes about 10 minutes on two CPUs",
        kernel.about
    ));
    let workshop = Workshop::new(&store.trees(), &pinned, kernel.series);
    workshop.prepare(&pinned, &patches)?;
    let objects = workshop.objects(name);
    build::configure(&workshop.source(), &objects, &fragments)?;
    step(&format!("building the {name} kernel from {}", pinned.id), || {
        build::compile(&workshop.source(), &objects, kernel, name)
    })?;
    Ok(image(store.publish(&objects, name, &key)?))
}
