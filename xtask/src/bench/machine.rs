//! Runs benches in the virtual machine.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    io::{self, Read, Seek},
    os::fd::AsFd,
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result};
use bench_driver::{
    Bench,
    lab::Tools,
    results::{self, Results},
};
use xtask_common::{
    exit::{FINE, Failure},
    progress::step,
};

use super::Options;
use crate::{
    kernel,
    paths::Paths,
    setup::{self, Purpose},
    vm::{self, Ended, Host, Outcome, Request, machine::Machine},
};

/// Time limit for a script that measures one kernel.
const SCRIPT_LIMIT: Duration = Duration::from_secs(20 * 60);

/// Runs this program in the guest to measure the benches there, and returns the results.
pub(super) fn measure(paths: &Paths, options: &Options, benches: &[Bench], tools: &Tools) -> Result<Results> {
    setup::ensure(paths, &[Purpose::Machine])?;
    // One CPU only: the instructions of another CPU would be counted as this CPU's time.
    let machine = match options.counted {
        true => Machine { nodes: 2, cpus: 1, mem: 4 << 30, ..Machine::default() },
        false => Machine::default(),
    };
    let image = kernel::image(paths, &options.kernel)?;
    let file = results::file(&paths.target);
    // The results of an earlier run must not be mistaken for this run's.
    let _ = fs::remove_file(&file);
    let outcome = step(&format!("benches in the virtual machine, {} kernel", options.kernel), || {
        vm::run(
            paths,
            Request {
                image: &image,
                machine: &machine,
                argv: argv(options, benches, tools)?,
                env: Vec::new(),
                collector: Some(tools.migtrace.clone()),
                cwd: paths.checkout.clone(),
                interactive: false,
                stdout: io::stderr().as_fd(),
                stderr: io::stderr().as_fd(),
                timeout: Some(options.timeout),
                counted: options.counted,
                host: Host::default(),
            },
        )
    })?;
    check(paths, &outcome)?;
    Results::read(&file)
}

/// Returns the command line that runs the same benches with this program in the guest.
fn argv(options: &Options, benches: &[Bench], tools: &Tools) -> Result<Vec<OsString>> {
    let program = env::current_exe().context("cannot find this program")?;
    let tools = serde_json::to_string(tools).context("a path is not UTF-8")?;
    let mut argv = vec![program.into_os_string(), "bench".into()];
    argv.extend(benches.iter().map(|bench| bench.name().into()));
    argv.extend(["--repeats".into(), options.repeats.to_string().into()]);
    if options.counted {
        argv.push("--counted".into());
    }
    if options.long {
        argv.push("--long".into());
    }
    argv.extend(["--faults".into(), options.faults.to_string().into(), "--inside".into(), tools.into()]);
    Ok(argv)
}

/// The virtual machine with one CPU and a clock that counts instructions.
pub(super) struct Counted<'a> {
    pub(super) paths: &'a Paths,
    /// The collector that scripts find on their PATH.
    pub(super) migtrace: Option<&'a PathBuf>,
}

impl bench_driver::Machine for Counted<'_> {
    fn run(&self, kernel: &str, script: &str) -> Result<String> {
        let image = kernel::image(self.paths, kernel)?;
        let mut stdout = tempfile::tempfile().context("cannot create a temporary file")?;
        let argv: [OsString; 3] = ["/bin/sh".into(), "-c".into(), script.into()];
        let outcome = vm::run(
            self.paths,
            Request {
                image: &image,
                // One CPU only: other CPUs would take turns with it, and would have to be interrupted.
                machine: &Machine { nodes: 2, cpus: 1, mem: 2 << 30, ..Machine::default() },
                argv: argv.into(),
                env: Vec::new(),
                collector: self.migtrace.cloned(),
                cwd: self.paths.checkout.clone(),
                interactive: false,
                stdout: stdout.as_fd(),
                stderr: io::stderr().as_fd(),
                timeout: Some(SCRIPT_LIMIT),
                counted: true,
                host: Host::default(),
            },
        )?;
        check(self.paths, &outcome)?;
        read(&mut stdout)
    }
}

/// Fails unless the job in the guest succeeded.
fn check(paths: &Paths, outcome: &Outcome) -> Result<()> {
    match &outcome.ended {
        Ended::Job(FINE) => Ok(()),
        Ended::Job(status) => Err(Failure::Finding(format!("the bench in the guest failed, status {status}")).into()),
        Ended::Stopped(status) => Err(Failure::Finding(format!("stopped, status {status}")).into()),
        Ended::Broken(why) => Err(outcome.broken(paths, why)),
    }
}

fn read(file: &mut File) -> Result<String> {
    let mut text = String::new();
    file.rewind().and_then(|()| file.read_to_string(&mut text)).context("cannot read the guest's output")?;
    Ok(text)
}
