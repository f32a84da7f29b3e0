//! The benches: what tracing costs, beside perf and bpftrace and beside the minimum that it can cost.
//!
//! A bench runs its arms in turn, and reports a table and whether its limits are met. Absolute times on shared machines are
//! unreliable: only ratios of arms of one run are comparable. `cargo xtask bench` builds the programs, chooses the machine and
//! calls this crate, which knows neither.

mod kernel;
pub mod lab;
mod load;
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
    /// The same with all CPUs faulting at once
    Storm,
    /// CPU time of the recorder per event, at the full fault rate
    Throughput,
    /// Bytes per event on disk
    Size,
    /// Time and memory to summarize a large recording
    Load,
    /// CPU time of `migtrace top`, and how fast it redraws
    Top,
    /// Instructions per fault: patched kernel with lazy migration off, and unpatched kernel
    KernelOff,
    /// Instructions per page: lazy and direct migration
    KernelLazy,
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Runs of each arm.
    pub repeats: u32,
    /// Faults in a run of one arm, at least.
    pub faults: u64,
    /// Whether `load` reads a trace of 100 million events too.
    pub long: bool,
}

/// The virtual machine, for the benches that boot a kernel of their own.
pub trait Machine {
    /// Boots the kernel of that name with one CPU and a clock that counts instructions, and runs a shell script in it; what
    /// the script wrote to standard output.
    ///
    /// # Errors
    /// The machine does not run, or the script fails.
    fn run(&self, kernel: &str, script: &str) -> Result<String>;
}

impl Bench {
    /// As it is typed.
    #[must_use]
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Whether it measures the kernel, and not tracing. It boots machines of its own then.
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
            Bench::Top => top::run(lab, scale),
            Bench::KernelOff => kernel::off(machine, &lab.tools, scale),
            Bench::KernelLazy => kernel::lazy(machine, &lab.tools, scale),
        }
    }
}

/// Runs benches in this process, on this machine; `show` gets the text of each when it is done.
///
/// # Errors
/// The tracepoints cannot be reached. A bench that fails is an outcome, and the others still run.
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

/// The outcomes alone.
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
