//! `cargo xtask test`: runs all tests, on this host and inside the virtual machine.
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

use self::tally::{Show, Tally, Tee, TestOutput};
use crate::{
    cargo, ebpf,
    kernel::{self, Image},
    paths::Paths,
    setup::{self, Purpose},
    vm::{self, Ended, Host, Outcome, Request, machine::Machine},
};

/// The kernels on which tests run.
const KERNELS: [&str; 3] = [kernel::DEFAULT, "stock-6.12", "stock-6.1"];
/// Modules of tests inside the virtual machine that do not depend on the kernel. They run on the first kernel only.
const KERNEL_INDEPENDENT: [&str; 6] =
    ["environment::", "live_log::", "loss::", "privilege::", "recorder::", "reliability::"];
/// Selects the packages of every build here. Another selection would enable other features of dependencies, and compile
/// all of them again.
const PACKAGES: [&str; 3] = ["--workspace", "--exclude", "*-ebpf"];
/// Memory of the test machine's slow node.
const SLOW: u64 = 256 << 20;
/// Memory that a test plugs into another node.
const HOT_ADD: u64 = 256 << 20;
/// Free memory that two test machines together need, including the page cache of the host's files that they read.
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
    /// Check every recording in the virtual machine by a census: each page that changed its node must be explained. Takes
    /// twice as long
    #[arg(long, conflicts_with = "host")]
    census: bool,
    /// Boot one virtual machine at a time. Default: two at a time if the host has two CPUs and 8 GiB of free memory
    #[arg(long, conflicts_with = "host")]
    one_by_one: bool,
    /// Stop a virtual machine if its tests take longer; exit status 69
    #[arg(long, value_name = "TIME", default_value = "45m", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// Results of one set of tests.
struct Report {
    set: String,
    took: Duration,
    tally: Tally,
    /// An error other than failed tests.
    problem: Option<String>,
}

impl Report {
    fn is_fine(&self) -> bool {
        self.problem.is_none() && self.tally.failed == 0
    }
}

impl Options {
    /// Runs the tests. Returns a finding if a test failed or a kernel reported an error.
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

    /// Boots each kernel once, unless no test matches the filter. Tests that a kernel cannot run skip themselves.
    fn in_machines(&self, paths: &Paths, reports: &mut Vec<Report>) -> Result<()> {
        let program = build(paths, "test", "kernel")?;
        if count(&program, self.filter.as_deref())? == 0 {
            say("no test in the virtual machine matches the filter");
            return Ok(());
        }
        let Some((first, others)) = self.kernel.split_first() else { return Ok(()) };
        let image = kernel::image(paths, first)?;
        // Fetched before two machines try to fetch it at once.
        prometheus(paths)?;
        let two_at_once = !self.one_by_one && has_room_for_two()?;
        let run_others = |show| {
            let mut outcomes = Vec::new();
            for kernel in others {
                let outcome = kernel::image(paths, kernel)
                    .and_then(|image| self.in_machine(paths, &program, kernel, &image, &KERNEL_INDEPENDENT, show));
                outcomes.push((kernel, outcome));
            }
            outcomes
        };
        let outcomes = thread::scope(|scope| {
            let others = two_at_once.then(|| scope.spawn(|| run_others(Show::AtEnd)));
            let outcome = self.in_machine(paths, &program, first, &image, &[], Show::AtOnce);
            let mut outcomes = vec![(first, outcome)];
            outcomes.extend(match others {
                Some(others) => others.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                None => run_others(Show::AtOnce),
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
        // If one machine broke, the other kernels' reports are printed nevertheless.
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
        let (mut outcome, mut test_output) = self.boot(paths, program, image, skipped, show)?;
        // On a loaded host, late timers of the emulated machine can stop a boot. Booting again hides no failure,
        // because no test ran yet.
        if let (Ended::Broken(why), false) = (&outcome.ended, outcome.came_up) {
            say(format!("{why}: booting once more (console log: {})", outcome.keep_console(paths)?));
            (outcome, test_output) = self.boot(paths, program, image, skipped, show)?;
        }
        let TestOutput { tally, last_line } = test_output;
        let problem = match &outcome.ended {
            Ended::Broken(why) => {
                let last_line = if last_line.is_empty() { "none" } else { &last_line };
                return Err(outcome.broken(paths, &format!("{why}; the tests' last line: {last_line}")));
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

    /// Boots a machine and runs the tests in it. Returns the machine's outcome and the tests' output.
    fn boot(
        &self,
        paths: &Paths,
        program: &Path,
        image: &Image,
        skipped: &[&str],
        show: Show,
    ) -> Result<(Outcome, TestOutput)> {
        let tee = Tee::start(show)?;
        let census = self.census.then(|| ("MIGTRACE_TEST_CENSUS".into(), "1".into()));
        let mut argv = vec![program.into(), "--test-threads=1".into()];
        argv.extend(self.filter.iter().map(Into::into));
        argv.extend(skipped.iter().flat_map(|module| ["--skip".into(), module.into()]));
        let outcome = vm::run(
            paths,
            Request {
                image,
                machine: &Machine { slow: Some(SLOW), hot_add: Some(HOT_ADD), ..Machine::default() },
                argv,
                env: prometheus(paths)?.into_iter().chain(census).collect(),
                collector: Some(paths.target.join("debug/migtrace")),
                cwd: paths.checkout.join("migtrace"),
                interactive: false,
                stdout: tee.writer.as_fd(),
                stderr: io::stderr().as_fd(),
                timeout: Some(self.timeout),
                counted: false,
                host: Host::default(),
            },
        )?;
        Ok((outcome, tee.finish()))
    }
}

/// Returns whether the host can run two machines at once. One CPU emulates each machine; tests time out if two machines
/// share it.
fn has_room_for_two() -> Result<bool> {
    let processors = thread::available_parallelism().context("cannot count this host's processors")?;
    let meminfo = fs::read_to_string("/proc/meminfo").context("reading /proc/meminfo")?;
    let available = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.strip_suffix("kB"));
    let available_kib: u64 = available.and_then(|kib| kib.trim().parse().ok()).unwrap_or(0);
    Ok(processors.get() >= 2 && available_kib << 10 >= ROOM_FOR_TWO)
}

/// Returns the environment variable that passes Prometheus's directory to tests.
fn prometheus(paths: &Paths) -> Result<Option<(OsString, OsString)>> {
    Ok(setup::prometheus(paths)?.map(|programs| ("MIGTRACE_PROMETHEUS".into(), programs.into())))
}

/// Builds the test program for the virtual machine and `migtrace`. Returns the path of one of them: `("test",
/// "kernel")` or `("bin", "migtrace")`.
fn build(paths: &Paths, kind: &str, name: &str) -> Result<PathBuf> {
    let mut cargo = cargo::cargo(paths);
    cargo.arg("test").args(PACKAGES).args(["--test", "kernel", "--no-run"]).arg(cargo::NAMES_EXECUTABLES);
    cargo::build_executable(&mut cargo, kind, name).context("cannot build the tests for the virtual machine")
}

/// Counts the tests that match the filter, without running them.
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
