//! `cargo xtask bench`: builds what the benches need, and runs them here or in the virtual machine.
//!
//! The benches themselves are in bench/driver.

mod machine;
mod programs;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use bench_driver::{
    Bench, Scale,
    lab::{Lab, Tools},
    measure, outcomes, place,
    results::{self, Outcome, Results},
};
use clap::{Args, ValueEnum};
use xtask_common::{exit::FINE, progress::say};

use self::machine::Counted;
use crate::{
    kernel as kernels,
    paths::Paths,
    setup::{self, Purpose},
};

/// Measure what tracing costs, beside perf and bpftrace
///
/// Runs on this machine's own kernel if it loads BPF programs on raw tracepoints, else in the virtual machine. Exit status 0
/// if everything could be measured. With --gate, a missed limit is exit status 1.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cargo xtask bench                               all but kernel-off and kernel-lazy
  cargo xtask bench overhead size --repeats 9
  cargo xtask bench kernel-off kernel-lazy        builds and boots the patched and the unpatched kernel
  cargo xtask bench overhead --counted            instructions per fault, in the virtual machine
  cargo xtask bench --gate --json results.json")]
pub(crate) struct Options {
    /// Benches to run; default: all but those of the kernel
    #[arg(value_name = "BENCH")]
    benches: Vec<Bench>,
    /// Runs of each arm; the arms take turns
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeats: u32,
    /// Minimum number of faults in a run of one arm
    #[arg(long, value_name = "N", default_value_t = 524_288)]
    faults: u64,
    /// `load`: also summarize a trace of 100 million events
    #[arg(long)]
    long: bool,
    /// Also write the results to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Exit with status 1 if a limit is missed or cannot be judged
    #[arg(long)]
    gate: bool,
    /// Always run in the virtual machine
    #[arg(long)]
    vm: bool,
    /// Run in the virtual machine with one CPU and a clock that counts instructions, 1 ns each: exact for what a fault pays,
    /// meaningless for everything else
    #[arg(long)]
    counted: bool,
    /// Kernel of the virtual machine
    #[arg(long, value_name = "NAME", default_value = kernels::DEFAULT,
          help = format!("Kernel of the virtual machine: {}", kernels::NAMES))]
    kernel: String,
    /// Stop the virtual machine if the benches take longer; exit status 69
    #[arg(long, value_name = "TIME", default_value = "60m", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// Measure in this process with these programs, and only write the results: how the virtual machine is started
    #[arg(long, value_name = "JSON", hide = true)]
    inside: Option<String>,
}

impl Options {
    /// Prints the tables.
    pub(crate) fn run(&self, paths: &Paths) -> Result<u8> {
        if let Some(tools) = &self.inside {
            let tools: Tools = serde_json::from_str(tools).context("--inside is internal: it takes JSON")?;
            let (lab, machine) = (Lab::new(tools, self.counted)?, Counted { paths, migtrace: None });
            let results = measure(&self.wanted(), &lab, &self.scale(), &machine, |_| ())?;
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

    fn scale(&self) -> Scale {
        Scale { repeats: self.repeats, faults: self.faults, long: self.long }
    }

    /// Prints the tables, too: of each bench as soon as it is done, if this process measures.
    fn measure_somewhere(&self, paths: &Paths, tools: Tools) -> Result<Results> {
        let lab = Lab::new(tools, false)?;
        let (scale, machine) = (self.scale(), Counted { paths, migtrace: Some(&lab.tools.migtrace) });
        let show = |text: &str| print!("{text}");
        let in_machine = self.vm || self.counted;
        // Those of the kernel boot machines of their own.
        let (kernels, tracers): (Vec<Bench>, Vec<Bench>) = self.wanted().iter().partition(|bench| bench.is_of_kernel());
        let obstacle = if tracers.is_empty() || in_machine { None } else { place::obstacle(&lab) };
        if let Some(why) = &obstacle {
            say(format!("not on this machine's own kernel: {why}"));
        }
        if tracers.is_empty() || !in_machine && obstacle.is_none() {
            return measure(&self.wanted(), &lab, &scale, &machine, show);
        }
        let mut results = machine::measure(paths, self, &tracers, &lab.tools)?;
        print!("{}{}", results.head(), results.benches.iter().map(Outcome::text).collect::<String>());
        results.benches.extend(outcomes(&kernels, &lab, &scale, &machine, show));
        Ok(results)
    }

    /// The benches that were named, or all but those of the kernel.
    fn wanted(&self) -> Vec<Bench> {
        let usual = || Bench::value_variants().iter().copied().filter(|bench| !bench.is_of_kernel()).collect();
        if self.benches.is_empty() { usual() } else { self.benches.clone() }
    }
}
