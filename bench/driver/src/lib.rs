//! The benches: what tracing costs, compared with perf, bpftrace and the cheapest possible BPF programs.
//!
//! A bench runs its arms in turn, and reports a table and whether its limits are met. Absolute times on shared machines
//! are unreliable: compare only ratios of arms of one run. `cargo xtask bench` builds the programs, chooses the machine
//! and calls this crate.

mod kernel;
pub mod lab;
mod load;
mod map;
mod overhead;
pub mod place;
mod replay;
mod report;
pub mod results;
mod series;
mod size;
mod spread;
mod storm;
mod table;
mod throughput;
mod top;
mod watcher;
mod workload;

use anyhow::Result;
use clap::ValueEnum;
use xtask_common::progress::step;

use crate::{
    lab::Lab,
    place::Place,
    report::Report,
    results::{Outcome, Results},
};

/// A bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Bench {
    /// Time that tracing adds to a page fault, one CPU faulting
    Overhead,
    /// Time that tracing adds to a page fault, all CPUs faulting at once
    Storm,
    /// CPU time of the recorder per event, at the full fault rate
    Throughput,
    /// Bytes per event on disk
    Size,
    /// Time and memory to summarize a large recording
    Load,
    /// Pages per second that `migtrace map` reads
    Map,
    /// CPU time of `migtrace top`, and how fast it redraws
    Top,
    /// Instructions per fault: patched kernel with lazy migration off, and unpatched kernel
    KernelOff,
    /// Instructions per page: lazy and direct migration
    KernelLazy,
}

/// The number of runs, and their size.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Runs of each arm.
    pub repeats: u32,
    /// Minimum faults in a run of one arm.
    pub faults: u64,
    /// Whether `load` also reads a trace of 100 million events.
    pub long: bool,
}

/// The virtual machine, for benches that boot their own kernel.
pub trait Machine {
    /// Boots the named kernel with one CPU and a clock that counts instructions, and runs a shell script in it. Returns
    /// the script's standard output.
    ///
    /// # Errors
    /// The machine does not run, or the script fails.
    fn run(&self, kernel: &str, script: &str) -> Result<String>;
}

impl Bench {
    /// Returns its name on the command line.
    #[must_use]
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Returns whether it measures the kernel instead of tracing. Such a bench boots its own machines.
    #[must_use]
    pub fn is_of_kernel(self) -> bool {
        matches!(self, Bench::KernelOff | Bench::KernelLazy)
    }

    fn run(self, lab: &Lab, scale: &Scale, machine: &dyn Machine) -> Result<Report> {
        match self {
            Bench::Overhead => overhead::run(lab, scale),
            Bench::Storm => storm::run(lab, scale),
            Bench::Throughput => throughput::run(lab, scale),
            Bench::Size => size::run(lab, scale),
            Bench::Load => load::run(lab, scale),
            Bench::Map => map::run(lab, scale),
            Bench::Top => top::run(lab, scale),
            Bench::KernelOff => kernel::off(machine, &lab.tools, scale),
            Bench::KernelLazy => kernel::lazy(machine, &lab.tools, scale),
        }
    }
}

/// Runs benches in this process, on this machine. Passes the text of each finished bench to `show`.
///
/// # Errors
/// tracefs cannot be mounted. A bench that fails is an outcome, and the others still run.
pub fn measure(
    benches: &[Bench],
    lab: &Lab,
    scale: &Scale,
    machine: &dyn Machine,
    show: impl Fn(&str),
) -> Result<Results> {
    place::mount_tracefs()?;
    let mut results = Results { place: Place::here(lab), repeats: scale.repeats, benches: Vec::new() };
    show(&results.head());
    results.benches = outcomes(benches, lab, scale, machine, show);
    Ok(results)
}

/// Runs benches as [`measure`] does, without mounting tracefs and without a description of the machine.
pub fn outcomes(
    benches: &[Bench],
    lab: &Lab,
    scale: &Scale,
    machine: &dyn Machine,
    show: impl Fn(&str),
) -> Vec<Outcome> {
    let run = |bench: &Bench| {
        let name = bench.name();
        let measured = step(&format!("bench {name}"), || bench.run(lab, scale, machine));
        let outcome = Outcome::new(name, measured);
        show(&outcome.text());
        outcome
    };
    benches.iter().map(run).collect()
}
