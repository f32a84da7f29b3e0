//! `cargo xtask bench`: builds the benches' programs, and runs the benches here or in the virtual machine.
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

/// Measure migtrace's overhead, compared with perf and bpftrace
///
/// Runs on this machine's kernel if that can attach BPF programs to raw tracepoints, else in the virtual machine. Exit
/// status 0 if everything could be measured. With --gate, a missed limit is exit status 1.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cargo xtask bench                               all except kernel-off and kernel-lazy
  cargo xtask bench overhead size --repeats 9
  cargo xtask bench kernel-off kernel-lazy        builds and boots the patched and the unpatched kernel
  cargo xtask bench overhead --counted            instructions per fault, in the virtual machine
  cargo xtask bench --gate --json results.json")]
pub(crate) struct Options {
    /// Benches to run; default: all except kernel-off and kernel-lazy
    #[arg(value_name = "BENCH")]
    benches: Vec<Bench>,
    /// Runs of each arm; the arms alternate
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
    /// Run in the virtual machine with one CPU and a clock that counts instructions, 1 ns each. The cost per fault is
    /// exact; all other times are meaningless
    #[arg(long)]
    counted: bool,
    /// Kernel of the virtual machine
    #[arg(long, value_name = "NAME", default_value = kernels::DEFAULT,
          help = format!("Kernel of the virtual machine: {}", kernels::NAMES))]
    kernel: String,
    /// Stop the virtual machine if the benches take longer; exit status 69
    #[arg(long, value_name = "TIME", default_value = "60m", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// Measure in this process with these programs, and only write the results: internal, for use in the virtual
    /// machine
    #[arg(long, value_name = "JSON", hide = true)]
    inside: Option<String>,
}

impl Options {
    /// Runs the benches, and prints the tables.
    pub(crate) fn run(&self, paths: &Paths) -> Result<u8> {
        if let Some(tools) = &self.inside {
            let tools: Tools = serde_json::from_str(tools).context("--inside is internal and needs JSON")?;
            let (lab, machine) = (Lab::new(tools, self.counted)?, Counted { paths, migtrace: None });
            let results = measure(&self.wanted(), &lab, &self.scale(), &machine, |_| ())?;
            results.write(&results::file(&paths.target))?;
            return Ok(FINE);
        }
        setup::ensure(paths, &[Purpose::Bench, Purpose::Bpf])?;
        let tools = programs::build(paths)?;
        let results = self.measure_here_or_in_machine(paths, tools)?;
        if let Some(file) = &self.json {
            results.write(file)?;
        }
        Ok(results.status(self.gate))
    }

    fn scale(&self) -> Scale {
        Scale { repeats: self.repeats, faults: self.faults, long: self.long }
    }

    /// Measures in this process or in the virtual machine, and prints the tables. In this process, prints each table as
    /// soon as its bench is done.
    fn measure_here_or_in_machine(&self, paths: &Paths, tools: Tools) -> Result<Results> {
        let lab = Lab::new(tools, false)?;
        let (scale, machine) = (self.scale(), Counted { paths, migtrace: Some(&lab.tools.migtrace) });
        let show = |text: &str| print!("{text}");
        let in_machine = self.vm || self.counted;
        // Benches of the kernel boot their own machines, so this process runs them.
        let (kernels, tracers): (Vec<Bench>, Vec<Bench>) = self.wanted().iter().partition(|bench| bench.is_of_kernel());
        let obstacle = if tracers.is_empty() || in_machine { None } else { place::obstacle(&lab) };
        if let Some(why) = &obstacle {
            say(format!("cannot measure on this machine's own kernel: {why}"));
        }
        if tracers.is_empty() || !in_machine && obstacle.is_none() {
            return measure(&self.wanted(), &lab, &scale, &machine, show);
        }
        let mut results = machine::measure(paths, self, &tracers, &lab.tools)?;
        print!("{}{}", results.head(), results.benches.iter().map(Outcome::text).collect::<String>());
        results.benches.extend(outcomes(&kernels, &lab, &scale, &machine, show));
        Ok(results)
    }

    /// Returns the named benches, or all except those of the kernel.
    fn wanted(&self) -> Vec<Bench> {
        let usual = || Bench::value_variants().iter().copied().filter(|bench| !bench.is_of_kernel()).collect();
        if self.benches.is_empty() { usual() } else { self.benches.clone() }
    }
}
