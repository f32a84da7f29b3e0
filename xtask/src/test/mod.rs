//! `cargo xtask test`: all tests, on this host and inside the virtual machine.
//!
//! The exit status distinguishes a failing test from a broken machine and from a missing requirement.

mod engines;
mod tally;

use std::{
    ffi::OsString,
    fs, io,
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::Args;
use xtask_common::{
    command,
    exit::{FINDING, FINE},
    progress::{clock, elapsed, say},
};

use self::tally::{Heard, Show, Tally, Tee};
use crate::{
    cargo, ebpf,
    kernel::{self, Image},
    paths::Paths,
    setup::{self, Purpose},
    vm::{self, Ended, Outcome, Request, machine::Machine},
};

/// The kernels on which tests run.
const KERNELS: [&str; 3] = [kernel::DEFAULT, "stock-6.12", "stock-6.1"];
/// Modules of tests inside the virtual machine that do not depend on the kernel: they run on the first one only.
const OF_MIGTRACE_ALONE: [&str; 6] =
    ["environment::", "live_log::", "loss::", "privilege::", "recorder::", "reliability::"];
/// The packages of every build here: another selection gives dependencies other features, and compiles all of them again.
const PACKAGES: [&str; 3] = ["--workspace", "--exclude", "*-ebpf"];
/// Memory of the test machine's slow node.
const SLOW: u64 = 256 << 20;
/// Memory that two test machines may take together, with what they read of the host's files.
const ROOM_FOR_TWO: u64 = 8 << 30;

/// Run all tests: on this host, then in virtual machines
///
/// The last line of standard output is the total. Tests that a kernel cannot run are reported as skipped.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cargo xtask test --host
  cargo xtask test lazy:: --vm --kernel patched
  cargo xtask test --vm --kernel stock-6.1 --kernel stock-7.0")]
pub(crate) struct Options {
    /// Only tests whose name contains this
    filter: Option<String>,
    /// Kernels of the virtual machine
    #[arg(long, value_name = "NAME", default_values = KERNELS, hide_default_value = true,
          help = format!("Kernel of the virtual machine; may be repeated. The first one runs all tests, the others those that \
                          depend on the kernel. Default: {}. Known: {}", KERNELS.join(", "), kernel::NAMES))]
    kernel: Vec<String>,
    /// Only the tests on the host
    #[arg(long, conflicts_with = "vm")]
    host: bool,
    /// Only the tests inside the virtual machine
    #[arg(long)]
    vm: bool,
    /// Boot one virtual machine after the other. Default: two at a time if the host has two CPUs and 8 GiB of free memory
    #[arg(long, conflicts_with = "host")]
    one_by_one: bool,
    /// Stop a virtual machine if its tests take longer; exit status 69
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// How one set of tests went.
struct Report {
    set: String,
    took: Duration,
    tally: Tally,
    /// What went wrong beside tests that failed and were counted.
    problem: Option<String>,
}

impl Report {
    fn is_fine(&self) -> bool {
        self.problem.is_none() && self.tally.failed == 0
    }
}

impl Options {
    /// Succeeds if every test passed and no kernel reported an error.
    pub(crate) fn run(&self, paths: &Paths) -> Result<u8> {
        setup::ensure(paths, &[Purpose::Kernel, Purpose::Machine, Purpose::Bpf])?;
        ebpf::build(paths)?;
        let mut reports = Vec::new();
        if !self.vm {
            reports.push(self.on_host(paths)?);
            reports.extend(engines::run(paths, self.filter.as_deref())?);
        }
        if !self.host {
            self.in_machines(paths, &mut reports)?;
        }
        Ok(summarize(&reports))
    }

    fn on_host(&self, paths: &Paths) -> Result<Report> {
        say("tests on the host");
        let began = Instant::now();
        let mut cargo = cargo::cargo(paths);
        cargo.arg("test").args(PACKAGES).arg("--no-fail-fast").args(&self.filter);
        cargo.envs(prometheus(paths)?);
        let tee = Tee::start(Show::AtOnce)?;
        let output = tee.writer.try_clone().context("cannot duplicate a pipe")?;
        let status = cargo.stdin(Stdio::null()).stdout(output).status();
        let status = status.with_context(|| format!("cannot start `{}`", command::shown(&cargo)))?;
        drop(cargo);
        let tally = tee.finish().tally;
        let problem = (!status.success() && tally.failed == 0).then(|| format!("cargo test failed: {status}"));
        Ok(Report { set: "host".to_owned(), took: began.elapsed(), tally, problem })
    }

    /// Boots each kernel once, unless the filter leaves no test. Tests skip what a kernel lacks.
    fn in_machines(&self, paths: &Paths, reports: &mut Vec<Report>) -> Result<()> {
        let program = build(paths, "test", "kernel")?;
        if count(&program, self.filter.as_deref())? == 0 {
            say("no test in the virtual machine has such a name");
            return Ok(());
        }
        let Some((first, others)) = self.kernel.split_first() else { return Ok(()) };
        let image = kernel::image(paths, first)?;
        // Fetched before two machines want it at once.
        prometheus(paths)?;
        let beside = !self.one_by_one && has_room_for_two()?;
        let of_others = |show| {
            let mut outcomes = Vec::new();
            for kernel in others {
                let outcome = kernel::image(paths, kernel)
                    .and_then(|image| self.in_machine(paths, &program, kernel, &image, &OF_MIGTRACE_ALONE, show));
                outcomes.push((kernel, outcome));
            }
            outcomes
        };
        let outcomes = thread::scope(|scope| {
            let others = beside.then(|| scope.spawn(|| of_others(Show::AtEnd)));
            let outcome = self.in_machine(paths, &program, first, &image, &[], Show::AtOnce);
            let mut outcomes = vec![(first, outcome)];
            outcomes.extend(match others {
                Some(others) => others.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                None => of_others(Show::AtOnce),
            });
            outcomes
        });
        let mut broken = None;
        for (kernel, outcome) in outcomes {
            match outcome {
                Ok(report) => reports.push(report),
                Err(error) => {
                    let error = error.context(format!("tests inside the virtual machine, {kernel} kernel"));
                    broken.get_or_insert(error);
                }
            }
        }
        // The reports of other kernels are printed even if one broke.
        broken.map_or(Ok(()), |error| {
            summarize(reports);
            Err(error)
        })
    }

    fn in_machine(
        &self,
        paths: &Paths,
        program: &Path,
        kernel: &str,
        image: &Image,
        skipped: &[&str],
        show: Show,
    ) -> Result<Report> {
        say(format!("tests inside the virtual machine, {kernel} kernel"));
        let began = Instant::now();
        let (mut outcome, mut heard) = self.boot(paths, program, image, skipped, show)?;
        // Nothing was tested yet, so nothing is hidden: a loaded host makes emulated timers late.
        if let (Ended::Broken(why), false) = (&outcome.ended, outcome.came_up) {
            say(format!("{why}: booting once more (console log: {})", outcome.keep_console(paths)?));
            (outcome, heard) = self.boot(paths, program, image, skipped, show)?;
        }
        let Heard { tally, last_line } = heard;
        let problem = match &outcome.ended {
            Ended::Broken(why) => {
                let at = if last_line.is_empty() { "none" } else { &last_line };
                return Err(outcome.broken(paths, &format!("{why}; last line of the tests: {at}")));
            }
            Ended::Stopped(status) => Some(format!("stopped, status {status}")),
            Ended::Job(FINE) => None,
            Ended::Job(_) if tally.failed > 0 => None,
            Ended::Job(status) => Some(format!("the tests ended with status {status}")),
        };
        let faults: Vec<_> = outcome.faults().map(|splat| format!("\n  {splat}")).collect();
        let problem = match (problem, faults.is_empty()) {
            (problem, true) => problem,
            (problem, false) => Some(format!(
                "{}the kernel reported errors (console log: {}):{}",
                problem.map(|problem| problem + "; ").unwrap_or_default(),
                outcome.keep_console(paths)?,
                faults.concat()
            )),
        };
        let set = format!("virtual machine, {kernel} kernel");
        Ok(Report { set, took: began.elapsed(), tally, problem })
    }

    /// How the machine ended, and what the tests in it said.
    fn boot(
        &self,
        paths: &Paths,
        program: &Path,
        image: &Image,
        skipped: &[&str],
        show: Show,
    ) -> Result<(Outcome, Heard)> {
        let tee = Tee::start(show)?;
        let mut argv = vec![program.into(), "--test-threads=1".into()];
        argv.extend(self.filter.iter().map(Into::into));
        argv.extend(skipped.iter().flat_map(|module| ["--skip".into(), module.into()]));
        let outcome = vm::run(
            paths,
            Request {
                image,
                machine: &Machine { slow: Some(SLOW), ..Machine::default() },
                argv,
                env: prometheus(paths)?.into_iter().collect(),
                collector: Some(paths.target.join("debug/migtrace")),
                cwd: paths.checkout.join("migtrace"),
                interactive: false,
                stdout: tee.writer.as_fd(),
                stderr: io::stderr().as_fd(),
                timeout: Some(self.timeout),
                counted: false,
            },
        )?;
        Ok((outcome, tee.finish()))
    }
}

/// Whether the host can run two machines at once. Each is emulated by one CPU; if it shares that, tests time out.
fn has_room_for_two() -> Result<bool> {
    let processors = thread::available_parallelism().context("cannot count this host's processors")?;
    let meminfo = fs::read_to_string("/proc/meminfo").context("reading /proc/meminfo")?;
    let available = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.strip_suffix("kB"));
    let available_kib: u64 = available.and_then(|kib| kib.trim().parse().ok()).unwrap_or(0);
    Ok(processors.get() >= 2 && available_kib << 10 >= ROOM_FOR_TWO)
}

/// The variable that names Prometheus's directory to tests.
fn prometheus(paths: &Paths) -> Result<Option<(OsString, OsString)>> {
    Ok(setup::prometheus(paths)?.map(|programs| ("MIGTRACE_PROMETHEUS".into(), programs.into())))
}

/// What the tests inside the virtual machine need: the test program, `("test", "kernel")`, and `("bin", "migtrace")`.
fn build(paths: &Paths, kind: &str, name: &str) -> Result<PathBuf> {
    let mut cargo = cargo::cargo(paths);
    cargo.arg("test").args(PACKAGES).args(["--test", "kernel", "--no-run"]).arg(cargo::NAMES_EXECUTABLES);
    cargo::build_executable(&mut cargo, kind, name).context("cannot build the tests for the virtual machine")
}

/// How many tests the filter leaves. Listing them runs none.
fn count(program: &Path, filter: Option<&str>) -> Result<usize> {
    let listed = command::output(Command::new(program).args(["--list", "--format=terse"]).args(filter))?;
    Ok(listed.lines().filter(|line| line.ends_with(": test")).count())
}

/// Prints the results; the last line of standard output is the total.
fn summarize(reports: &[Report]) -> u8 {
    for report in reports {
        let verdict = if report.is_fine() { "passed" } else { "FAILED" };
        say(format!("{}: {verdict}, {} ({})", report.set, report.tally, clock(report.took)));
        if let Some(problem) = &report.problem {
            say(format!("  {problem}"));
        }
    }
    say(format!("total time {}", clock(elapsed())));
    let total = reports.iter().fold(Tally::default(), |total, report| total + report.tally);
    println!("{total}");
    if reports.iter().all(Report::is_fine) { FINE } else { FINDING }
}
