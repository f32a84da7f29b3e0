//! `cargo xtask bench`: what tracing costs, beside perf and bpftrace and beside the least that it can cost.
//!
//! A bench measures arms in turn and reports a table, the limits that it is there for, and whether they are met. Times
//! on shared machines are worth little alone: what counts are ratios of arms of one run.

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
    kernel,
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
    /// Which; all without one
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
    /// Kernel of the virtual machine
    #[arg(long, value_name = "NAME", default_value = kernel::DEFAULT,
          help = format!("Kernel of the virtual machine: {}", kernel::NAMES))]
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
            let results = self.measure(&Lab::new(tools)?, |_| ())?;
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
        let lab = Lab::new(tools)?;
        if !self.vm {
            match place::obstacle(&lab) {
                None => return self.measure(&lab, |text| print!("{text}")),
                Some(why) => say(format!("not on this machine's own kernel: {why}")),
            }
        }
        let results = machine::measure(paths, self, &lab.tools)?;
        print!("{}{}", results.head(), results.benches.iter().map(Outcome::text).collect::<String>());
        Ok(results)
    }

    /// Runs the benches in this process. One that cannot run keeps no other from running.
    fn measure(&self, lab: &Lab, show: impl Fn(&str)) -> Result<Results> {
        place::mount_tracefs()?;
        let scale = Scale { repeats: self.repeats, faults: self.faults, long: self.long };
        let names = if self.names.is_empty() { Name::value_variants() } else { &self.names };
        let mut results = Results { place: Place::here(lab), repeats: self.repeats, benches: Vec::new() };
        show(&results.head());
        for name in names {
            let measured = step(&format!("bench {}", name.text()), || name.run(lab, &scale));
            let outcome = Outcome::new(name.text(), measured);
            show(&outcome.text());
            results.benches.push(outcome);
        }
        Ok(results)
    }
}

impl Name {
    /// As it is typed.
    fn text(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn run(self, lab: &Lab, scale: &Scale) -> Result<Report> {
        match self {
            Name::Overhead => overhead::run(lab, scale),
            Name::Storm => storm::run(lab, scale),
            Name::Throughput => throughput::run(lab, scale),
            Name::Size => size::run(lab, scale),
            Name::Load => load::run(lab, scale),
            Name::Top => top::run(lab, scale),
        }
    }
}
