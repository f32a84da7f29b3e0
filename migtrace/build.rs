//! Finds the compiled BPF object that the program carries inside itself.
//!
//! `cargo xtask ebpf` compiles it, with a toolchain of its own. It is not compiled here, because a build of the
//! collector must not install or need one.

use std::{env, path::PathBuf};

fn main() {
    println!("cargo::rerun-if-env-changed=MIGTRACE_BPF_OBJECT");
    let built = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/bpf/migtrace");
    let object = env::var_os("MIGTRACE_BPF_OBJECT").map_or(built, PathBuf::from);
    println!("cargo::rerun-if-changed={}", object.display());
    match object.canonicalize() {
        Ok(path) => println!("cargo::rustc-env=MIGTRACE_BPF_OBJECT={}", path.display()),
        Err(error) => println!(
            "cargo::error=no BPF object at {}: {error}. Build it with `cargo xtask ebpf` (which installs the BPF \
             toolchain that it needs), or name one in MIGTRACE_BPF_OBJECT.",
            object.display()
        ),
    }
}
