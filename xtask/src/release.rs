//! `cargo xtask release`: builds the binary to ship, with its debug information in a separate file.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};
use clap::Args;
use xtask_common::{command, exit::FINE, files::create_dir, progress::step};

use crate::{
    cargo, ebpf,
    paths::Paths,
    setup::{self, Purpose},
};

/// Build the binary to ship: target/dist/migtrace, stripped
///
/// Debug information (line tables, for backtraces and profilers) is in target/dist/migtrace.debug. gdb and perf find
/// that file if it is in the same directory as the binary.
#[derive(Args, Debug)]
pub(crate) struct Options {}

impl Options {
    /// Builds the binary, and prints its path.
    pub(crate) fn run(&self, paths: &Paths) -> Result<u8> {
        setup::ensure(paths, &[Purpose::Release])?;
        ebpf::build(paths)?;
        let built = cargo::build_collector(paths)?;
        let place = paths.target.join("dist");
        create_dir(&place)?;
        step("splitting off debug information", || split(&built, &place))?;
        println!("{}", place.join("migtrace").display());
        Ok(FINE)
    }
}

fn split(built: &Path, place: &Path) -> Result<()> {
    let objcopy = || {
        let mut objcopy = Command::new("objcopy");
        // --add-gnu-debuglink reads the file by the bare name that it stores in the binary.
        objcopy.current_dir(place);
        objcopy
    };
    command::run(objcopy().arg("--only-keep-debug").arg(built).arg("migtrace.debug"))?;
    command::run(objcopy().args(["--strip-all", "--add-gnu-debuglink=migtrace.debug"]).arg(built).arg("migtrace"))?;
    let length = fs::metadata(place.join("migtrace")).context("objcopy wrote no binary")?.len();
    anyhow::ensure!(length > 0, "objcopy wrote an empty binary");
    Ok(())
}
