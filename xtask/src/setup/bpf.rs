//! Installs a BPF toolchain: bpf-linker, and a Rust compiler with core for BPF or with core's source.

use std::{env, path::Path, process::Command};

use anyhow::{Context, Result};
use xtask_common::{
    command,
    exit::Failure,
    progress::{say, step},
};

use super::apt;
use crate::{
    paths::Paths,
    toolchain::{self, Toolchain},
};

/// The version that the BPF crates in Cargo.lock are tested with.
const LINKER_VERSION: &str = "0.13.0";
/// The Rust compiler that Debian maintains to build web browsers, and core for BPF, built by that compiler.
const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "libstd-rust-web-dev-bpf"];

/// Installs the missing parts of the toolchain.
pub(super) fn ensure(paths: &Paths) -> Result<()> {
    if toolchain::find().is_some() {
        return Ok(());
    }
    let compiler = match toolchain::compiler() {
        Some(compiler) => compiler,
        None => install_compiler()?,
    };
    if toolchain::linker().is_none() {
        install_linker(paths, compiler)?;
    }
    match toolchain::find() {
        Some(_) => Ok(()),
        None => Err(Failure::Environment("the BPF toolchain was installed, but cannot be found".into()).into()),
    }
}

fn install_compiler() -> Result<Toolchain> {
    say("missing: a Rust compiler for BPF (rustup's nightly with rust-src, or Debian's with core for BPF)");
    if apt::is_here() && apt::offers(DEBIAN_PACKAGES[2])? {
        apt::install(&DEBIAN_PACKAGES)?;
        return Ok(Toolchain::Debian);
    }
    if command::find("rustup").is_none() {
        let text = "no Rust compiler for BPF: install rustup, then run `cargo xtask setup` again";
        return Err(Failure::Environment(text.into()).into());
    }
    step("installing rustup's nightly toolchain with rust-src", || {
        let mut rustup = Command::new("rustup");
        rustup.args(["toolchain", "install", "nightly", "--profile", "minimal", "--component", "rust-src"]);
        command::run(&mut rustup)
    })
    .context(Failure::Environment("rustup cannot install a nightly toolchain with rust-src".into()))?;
    Ok(Toolchain::Nightly)
}

/// Installs bpf-linker. It reads the bitcode of the compiler's LLVM, so it must be built with the same LLVM version.
fn install_linker(paths: &Paths, compiler: Toolchain) -> Result<()> {
    let llvm = compiler.llvm_version()?;
    say(format!("missing: bpf-linker, for LLVM {llvm}"));
    let package = format!("llvm-{llvm}-dev");
    let prefix = format!("/usr/lib/llvm-{llvm}");
    let mut have_llvm = Path::new(&prefix).join("bin/llvm-config").exists();
    if !have_llvm && apt::is_here() && apt::offers(&package)? {
        apt::install(&[&package])?;
        have_llvm = true;
    }
    if have_llvm {
        return step(&format!("building bpf-linker {LINKER_VERSION} with LLVM {llvm}"), || {
            let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            cargo.args(["install", "--quiet", "--locked", "bpf-linker", "--version", LINKER_VERSION]);
            cargo.args(["--no-default-features", "--features", &format!("llvm-{llvm}")]);
            cargo.arg("--target-dir").arg(paths.target.join("bpf-linker"));
            let search = env::var("PATH").unwrap_or_default();
            cargo.env("LLVM_PREFIX", &prefix).env("PATH", format!("{prefix}/bin:{search}"));
            command::run(&mut cargo)
        })
        .context("cannot build bpf-linker");
    }
    if command::find("cargo-binstall").is_some() {
        return step("cargo binstall bpf-linker", || {
            command::run(Command::new("cargo-binstall").args(["--no-confirm", "bpf-linker"]))
        });
    }
    let text = format!(
        "no bpf-linker, and no package {package} to build it with: run `cargo install cargo-binstall`, then \
         `cargo xtask setup` again; or put a release of https://github.com/aya-rs/bpf-linker on the PATH"
    );
    Err(Failure::Environment(text).into())
}
