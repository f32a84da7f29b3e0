//! `cargo xtask bench`: what tracing costs, beside perf and bpftrace and beside the least that it can cost.
//!
//! A bench measures arms in turn and reports a table, the limits that it is there for, and whether they are met. Times
//! on shared machines are worth little alone: what counts are ratios of arms of one run.

mod kernel;
mod lab;
mod load;
mod machine;
mod overhead;
mod place;
mod programs;
mod replay;
mod report;
mod results;
mod series;
mod size;
mod spread;
mod storm;
mod table;
mod throughput;
mod top;
mod watcher;
mod workload;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use self::{
    lab::{Lab, Tools},
    place::Place,
    report::Report,
    results::{Outcome, Results},
};
use crate::{
    exit::FINE,
    kernel as kernels,
    paths::Paths,
    progress::{say, step},
    setup::{self, Purpose},
};

/// Measure what tracing costs, beside perf and bpftrace
///
/// Runs on this machine's own kernel where it lets BPF programs on raw tracepoints load, in the virtual machine
/// otherwise. Exit status 0 when everything could be measured; a limit that is not met is a finding with --gate only.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Which; without one all but those of the kernel, which build and boot two
    names: Vec<Name>,
    /// Runs of each arm; the arms take turns
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeats: u32,
    /// Faults in a run of one arm, at least
    #[arg(long, value_name = "N", default_value_t = 524_288)]
    faults: u64,
    /// `load` with a trace of 100 million events, too
    #[arg(long)]
    long: bool,
    /// Write the results to this file, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Exit status 1 when a limit is not met, or cannot be told
    #[arg(long)]
    gate: bool,
    /// Run in the virtual machine in any case
    #[arg(long)]
    vm: bool,
    /// Run in the virtual machine with one processor and a clock that counts instructions, a nanosecond each: of what a fault
    /// pays exact, of anything else no measure
    #[arg(long)]
    counted: bool,
    /// Kernel of the virtual machine
    #[arg(long, value_name = "NAME", default_value = kernels::DEFAULT,
          help = format!("Kernel of the virtual machine: {}", kernels::NAMES))]
    kernel: String,
    /// End the virtual machine when the benches take longer; exit status 69
    #[arg(long, value_name = "TIME", default_value = "60m", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// Measure here and now, with these programs, and only write the results: what the virtual machine is told
    #[arg(long, value_name = "JSON", hide = true)]
    inside: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    Overhead,
    Storm,
    Throughput,
    Size,
    Load,
    Top,
    /// Instructions of a fault on the patched kernel where it is off, against the unpatched one
    KernelOff,
    /// Instructions of lazy against direct migration
    KernelLazy,
}

/// How much is measured.
struct Scale {
    repeats: u32,
    faults: u64,
    long: bool,
}

impl Options {
    /// Prints the tables.
    pub(crate) fn run(&self, paths: &Paths) -> Result<u8> {
        if let Some(tools) = &self.inside {
            let tools: Tools = serde_json::from_str(tools).context("--inside is not for people")?;
            let results = self.measure(paths, &Lab::new(tools, self.counted)?, |_| ())?;
            results.write(&results::file(&paths.target))?;
            return Ok(FINE);
        }
        setup::ensure(paths, &[Purpose::Bench, Purpose::Bpf])?;
        let tools = programs::build(paths)?;
        let results = self.measure_somewhere(paths, tools)?;
        if let Some(file) = &self.json {
            results.write(file)?;
        }
        Ok(results.status(self.gate))
    }

    /// Prints the tables, too: of each bench when it is done, where this process measures.
    fn measure_somewhere(&self, paths: &Paths, tools: Tools) -> Result<Results> {
        let lab = Lab::new(tools, false)?;
        let in_machine = self.vm || self.counted;
        // Those of the kernel boot machines of their own.
        let (kernels, tracers): (Vec<Name>, Vec<Name>) = self.wanted().iter().partition(|name| name.is_of_kernel());
        let obstacle = if tracers.is_empty() || in_machine { None } else { place::obstacle(&lab) };
        if let Some(why) = &obstacle {
            say(format!("not on this machine's own kernel: {why}"));
        }
        if tracers.is_empty() || !in_machine && obstacle.is_none() {
            return self.measure(paths, &lab, |text| print!("{text}"));
        }
        let mut results = machine::measure(paths, self, &tracers, &lab.tools)?;
        print!("{}{}", results.head(), results.benches.iter().map(Outcome::text).collect::<String>());
        results.benches.extend(self.outcomes(&kernels, paths, &lab, |text| print!("{text}")));
        Ok(results)
    }

    /// Those that were named, or the usual ones.
    fn wanted(&self) -> Vec<Name> {
        let usual = || Name::value_variants().iter().copied().filter(|name| !name.is_of_kernel()).collect();
        if self.names.is_empty() { usual() } else { self.names.clone() }
    }

    /// Runs the benches in this process.
    fn measure(&self, paths: &Paths, lab: &Lab, show: impl Fn(&str)) -> Result<Results> {
        place::mount_tracefs()?;
        let mut results = Results { place: Place::here(lab), repeats: self.repeats, benches: Vec::new() };
        show(&results.head());
        results.benches = self.outcomes(&self.wanted(), paths, lab, show);
        Ok(results)
    }

    /// One that cannot run keeps no other from running.
    fn outcomes(&self, names: &[Name], paths: &Paths, lab: &Lab, show: impl Fn(&str)) -> Vec<Outcome> {
        let scale = Scale { repeats: self.repeats, faults: self.faults, long: self.long };
        let run = |name: &Name| {
            let measured = step(&format!("bench {}", name.text()), || name.run(paths, lab, &scale));
            let outcome = Outcome::new(name.text(), measured);
            show(&outcome.text());
            outcome
        };
        names.iter().map(run).collect()
    }
}

impl Name {
    /// As it is typed.
    fn text(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Whether it measures the kernel, and not what tracing costs.
    fn is_of_kernel(self) -> bool {
        matches!(self, Name::KernelOff | Name::KernelLazy)
    }

    fn run(self, paths: &Paths, lab: &Lab, scale: &Scale) -> Result<Report> {
        match self {
            Name::Overhead => overhead::run(lab, scale),
            Name::Storm => storm::run(lab, scale),
            Name::Throughput => throughput::run(lab, scale),
            Name::Size => size::run(lab, scale),
            Name::Load => load::run(lab, scale),
            Name::Top => top::run(lab, scale),
            Name::KernelOff => kernel::off(paths, &lab.tools, scale),
            Name::KernelLazy => kernel::lazy(paths, &lab.tools, scale),
        }
    }
}
