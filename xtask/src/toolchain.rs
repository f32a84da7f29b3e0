//! The BPF toolchains that a machine can have: rustup's nightly or Debian's Rust, and bpf-linker.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use xtask_common::command;

/// The target that BPF programs are compiled for.
pub(crate) const TARGET: &str = "bpfel-unknown-none";

/// A Rust compiler that can generate BPF code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// rustup's nightly, which builds core from rust-src.
    Nightly,
    /// Debian's in /usr/bin, which has core prebuilt for BPF.
    Debian,
}

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";

/// Returns the compiler and the linker to use, if both are installed.
pub(crate) fn find() -> Option<(Toolchain, PathBuf)> {
    Some((compiler()?, linker()?))
}

/// Returns the compiler to use, if one is installed.
pub(crate) fn compiler() -> Option<Toolchain> {
    if nightly_has_source() {
        return Some(Toolchain::Nightly);
    }
    debian_has_core().then_some(Toolchain::Debian)
}

fn debian_has_core() -> bool {
    let core = Path::new("/usr/lib/rustlib").join(TARGET).join("lib");
    Path::new(DEBIAN_RUSTC).exists() && Path::new(DEBIAN_CARGO).exists() && core.is_dir()
}

/// A nightly without rust-src cannot build core, so it does not count.
fn nightly_has_source() -> bool {
    let home = env::var_os("RUSTUP_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".rustup")));
    let source = "toolchains/nightly-x86_64-unknown-linux-gnu/lib/rustlib/src/rust/library/core";
    home.is_some_and(|home| home.join(source).is_dir())
}

/// Finds bpf-linker on the PATH or in `cargo install`'s directory.
pub(crate) fn linker() -> Option<PathBuf> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")));
    let installed = home.map(|home| home.join("bin/bpf-linker")).filter(|path| path.exists());
    command::find("bpf-linker").or(installed)
}

impl Toolchain {
    /// Returns the major version of the compiler's LLVM.
    pub(crate) fn llvm_version(self) -> Result<u32> {
        let version = command::output(self.program("rustc").arg("-vV"))?;
        llvm_major(&version).context("`rustc -vV` prints no LLVM version")
    }

    /// Returns a cargo command that builds a package for BPF with this compiler.
    pub(crate) fn cargo(self, linker: &Path) -> Command {
        let mut cargo = self.program("cargo");
        // The cargo that started this task sets these variables for its own compiler.
        for variable in ["CARGO", "RUSTC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTFLAGS", "RUSTUP_TOOLCHAIN"]
        {
            cargo.env_remove(variable);
        }
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flags(linker));
        if self == Toolchain::Debian {
            // Of all crates, only aya-ebpf may use unstable features.
            cargo.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "aya_ebpf");
        }
        cargo
    }

    /// Returns the arguments of `cargo build` that only this compiler needs.
    pub(crate) fn build_arguments(self) -> &'static [&'static str] {
        match self {
            Toolchain::Nightly => &["-Z", "build-std=core"],
            Toolchain::Debian => &[],
        }
    }

    fn program(self, name: &str) -> Command {
        match self {
            Toolchain::Nightly => {
                let mut command = Command::new("rustup");
                command.args(["run", "nightly", name]);
                command
            }
            Toolchain::Debian => Command::new(Path::new("/usr/bin").join(name)),
        }
    }
}

/// Returns the flags that aya-build 0.2.0 sets, and the linker's path.
fn flags(linker: &Path) -> OsString {
    const SEPARATOR: &str = "\x1f";
    let mut flags = OsString::from("--cfg=bpf_target_arch=\"x86_64\"");
    for flag in ["-Cdebuginfo=2", "-Clink-arg=--btf", "-Clinker="] {
        flags.push(SEPARATOR);
        flags.push(flag);
    }
    flags.push(linker);
    flags
}

fn llvm_major(version: &str) -> Option<u32> {
    let number = version.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    number.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_llvm_version_is_read_from_rustc() {
        let version = "rustc 1.96.0\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\nLLVM version: 22.1.8\n";
        assert_eq!(llvm_major(version), Some(22));
        assert_eq!(llvm_major("rustc 1.96.0\n"), None);
    }

    #[test]
    fn flags_survive_a_linker_path_with_spaces() {
        let flags = flags(Path::new("/home/a b/bpf-linker")).into_string().expect("UTF-8");
        let flags: Vec<_> = flags.split('\x1f').collect();
        assert_eq!(flags[0], "--cfg=bpf_target_arch=\"x86_64\"");
        assert_eq!(flags[3], "-Clinker=/home/a b/bpf-linker");
    }
}
