//! `cargo xtask ebpf`: compiles the BPF programs into the object that the collector embeds.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use clap::Args;
use xtask_common::{
    exit::{FINE, Failure},
    files::write_atomically,
    progress::say,
};

use crate::{
    cargo,
    paths::Paths,
    setup::{self, Purpose},
    toolchain::{self, TARGET, Toolchain},
};

const PACKAGE: &str = "migtrace-ebpf";

/// Compile the BPF programs to target/bpf/migtrace, which the build of migtrace embeds
#[derive(Args, Debug)]
pub(crate) struct Options {}

impl Options {
    /// Compiles the programs, and prints the object's path.
    pub(crate) fn run(&self, paths: &Paths) -> Result<u8> {
        build(paths)?;
        println!("{}", paths.bpf_object().display());
        Ok(FINE)
    }
}

/// Compiles the collector's BPF programs.
pub(crate) fn build(paths: &Paths) -> Result<()> {
    build_object(paths, PACKAGE, "migtrace", &paths.bpf_object())
}

/// Compiles the BPF object `name` of a package. Does not write an unchanged object, because cargo would then recompile
/// the collector, which embeds it.
pub(crate) fn build_object(paths: &Paths, package: &str, name: &str, place: &Path) -> Result<()> {
    setup::ensure(paths, &[Purpose::Bpf])?;
    let (compiler, linker) =
        toolchain::find().ok_or_else(|| Failure::Environment("no BPF toolchain: run `cargo xtask setup`".into()))?;
    let mut command = compiler.cargo(&linker);
    command.current_dir(&paths.checkout).args(["build", "--package", package, "--bin", name, "--release"]);
    command.args(["--target", TARGET, "--target-dir"]).arg(paths.target.join("bpf-build"));
    command.args(compiler.build_arguments()).arg(cargo::NAMES_EXECUTABLES);
    let built = cargo::build_executable(&mut command, "bin", name).with_context(|| match compiler {
        Toolchain::Debian => "cannot compile the BPF programs with Debian's Rust",
        Toolchain::Nightly => "cannot compile the BPF programs with rustup's nightly",
    })?;
    let object = fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
    if fs::read(place).is_ok_and(|old| old == object) {
        return Ok(());
    }
    write_atomically(place, &object)?;
    say(format!("BPF programs: {} bytes in {}", object.len(), place.display()));
    Ok(())
}
