//! Builds the programs that the benches measure, and those that measure.

use anyhow::{Context, Result};
use xtask_common::progress::step;

use crate::{cargo, ebpf, paths::Paths};
use bench_driver::lab::Tools;

/// Builds all programs with optimization.
pub(super) fn build(paths: &Paths) -> Result<Tools> {
    ebpf::build(paths)?;
    let floor_object = paths.target.join("bpf/floor");
    ebpf::build_object(paths, "bench-floor-ebpf", "floor", &floor_object)?;
    let migtrace = cargo::build_collector(paths)?;
    let program = |package: &str, name: &str| {
        let mut cargo = cargo::cargo(paths);
        cargo.args(["build", "--release", "--package", package, "--bin", name]).arg(cargo::NAMES_EXECUTABLES);
        cargo::build_executable(&mut cargo, "bin", name).with_context(|| format!("cannot build {name}"))
    };
    let workload = |name| program("bench-workloads", name);
    let build = || {
        let workloads = [workload("toucher")?, workload("floor")?, workload("refault")?, workload("holder")?];
        Ok((workloads, program("bench-replay", "bench-replay")?))
    };
    let ([toucher, floor, refault, holder], replay) = step("building the benches' programs", build)?;
    let directory = paths.target.join("bench");
    Ok(Tools { toucher, floor, floor_object, refault, holder, migtrace, replay, directory })
}
