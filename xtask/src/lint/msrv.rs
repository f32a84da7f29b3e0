//! Checks that everything builds with the minimum Rust version that Cargo.toml states.

use std::{fs, process::Command};

use anyhow::{Context, Result};
use serde::Deserialize;
use xtask_common::command;

use super::{PACKAGES, Verdict};
use crate::{ebpf, paths::Paths};

#[derive(Deserialize)]
struct Manifest {
    workspace: Workspace,
}

#[derive(Deserialize)]
struct Workspace {
    package: Package,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Package {
    rust_version: String,
}

/// Runs `cargo check` with the stated version. If the current toolchain is that version, every build checks it already.
pub(super) fn check(paths: &Paths) -> Result<Verdict> {
    let file = paths.checkout.join("Cargo.toml");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let stated = stated(&text).with_context(|| format!("{} states no rust-version", file.display()))?;
    let mut rustc = Command::new("rustc");
    let used = command::output(rustc.current_dir(&paths.checkout).arg("--version"))?;
    if is_version(used.split_whitespace().nth(1).unwrap_or_default(), &stated) {
        return Ok(Verdict::Passed);
    }
    let toolchains = command::output(Command::new("rustup").args(["toolchain", "list"])).unwrap_or_default();
    let Some(toolchain) = toolchain(&toolchains, &stated) else {
        return Ok(Verdict::Skipped(format!(
            "Rust {stated} is not installed: run `rustup toolchain install {stated}`"
        )));
    };
    ebpf::build(paths)?;
    let mut cargo = Command::new("rustup");
    cargo.current_dir(&paths.checkout).args(["run", toolchain, "cargo", "check", "--locked"]).args(PACKAGES);
    // With these variables set, this cargo would use the other toolchain's compiler.
    cargo.env_remove("CARGO").env_remove("RUSTC").env_remove("RUSTUP_TOOLCHAIN");
    command::run(cargo.arg("--all-targets").arg("--target-dir").arg(paths.target.join("msrv")))?;
    Ok(Verdict::Passed)
}

/// Returns the `rust-version` of a workspace's manifest.
fn stated(manifest: &str) -> Result<String> {
    Ok(toml::from_str::<Manifest>(manifest)?.workspace.package.rust_version)
}

/// Returns whether `version`, such as `1.95.0`, matches `stated`, such as `1.95`.
fn is_version(version: &str, stated: &str) -> bool {
    version.strip_prefix(stated).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Finds the toolchain of that version in rustup's list.
fn toolchain<'a>(listed: &'a str, stated: &str) -> Option<&'a str> {
    let names = listed.lines().filter_map(|line| line.split_whitespace().next());
    names.into_iter().find(|name| is_version(name.split('-').next().unwrap_or_default(), stated))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_compared_by_whole_numbers() {
        assert!(is_version("1.95.0", "1.95") && is_version("1.95", "1.95") && is_version("1.95.0", "1.95.0"));
        assert!(!is_version("1.9.5", "1.95") && !is_version("1.950.0", "1.95") && !is_version("stable", "1.95"));
    }

    #[test]
    fn the_toolchain_is_found_in_rustups_list() {
        let listed = "stable-x86_64-unknown-linux-gnu (active, default)\n1.95.0-x86_64-unknown-linux-gnu\n";
        assert_eq!(toolchain(listed, "1.95"), Some("1.95.0-x86_64-unknown-linux-gnu"));
        assert_eq!(toolchain(listed, "1.94"), None);
    }

    #[test]
    fn the_manifest_states_a_version() {
        let manifest = "[workspace]\nmembers = []\n[workspace.package]\nrust-version = \"1.95\"\n";
        assert_eq!(stated(manifest).expect("a manifest"), "1.95");
        assert!(stated("[workspace]\nmembers = []\n").is_err());
    }
}
