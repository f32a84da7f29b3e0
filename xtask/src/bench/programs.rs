//! Building what the benches measure, and what they measure with.

use anyhow::{Context, Result};

use super::lab::Tools;
use crate::{cargo, demo, ebpf, paths::Paths, progress::step};

/// All of it, optimized.
pub(super) fn build(paths: &Paths) -> Result<Tools> {
    ebpf::build(paths)?;
    let floor_object = paths.target.join("bpf/floor");
    ebpf::build_object(paths, "xtask-bench-ebpf", "floor", &floor_object)?;
    let migtrace = demo::build_collector(paths)?;
    let program = |name: &str| {
        let mut cargo = cargo::cargo(paths);
        cargo.args(["build", "--release", "--package", "xtask-bench", "--bin", name]).arg(cargo::NAMES_EXECUTABLES);
        cargo::build_executable(&mut cargo, "bin", name).with_context(|| format!("cannot build {name}"))
    };
    let [toucher, floor, refault] =
        step("builds the benches' programs", || Ok([program("toucher")?, program("floor")?, program("refault")?]))?;
    Ok(Tools { toucher, floor, floor_object, refault, migtrace, directory: paths.target.join("bench") })
}
