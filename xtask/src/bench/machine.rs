//! Running benches in the virtual machine: this program starts itself there, with what was built here.

use std::{env, ffi::OsString, fs, io, os::fd::AsFd};

use anyhow::{Context, Result};

use super::{Name, Options, lab::Tools, results, results::Results};
use crate::{
    exit::{FINE, Failure},
    kernel,
    paths::Paths,
    progress::step,
    setup::{self, Purpose},
    vm::{self, Ended, Request, machine::Machine},
};

/// What the guest measured.
pub(super) fn measure(paths: &Paths, options: &Options, names: &[Name], tools: &Tools) -> Result<Results> {
    setup::ensure(paths, &[Purpose::Machine])?;
    // One processor: another's instructions would count as this one's time.
    let machine = match options.counted {
        true => Machine { nodes: 2, cpus: 1, mem: 4 << 30, slow: None },
        false => Machine::default(),
    };
    let image = kernel::image(paths, &options.kernel)?;
    let file = results::file(&paths.target);
    // An earlier call's results must not pass for this one's.
    let _ = fs::remove_file(&file);
    let outcome = step(&format!("benches in the virtual machine, {} kernel", options.kernel), || {
        vm::run(
            paths,
            Request {
                image: &image,
                machine: &machine,
                argv: argv(options, names, tools)?,
                env: Vec::new(),
                collector: Some(tools.migtrace.clone()),
                cwd: paths.checkout.clone(),
                interactive: false,
                stdout: io::stderr().as_fd(),
                stderr: io::stderr().as_fd(),
                timeout: Some(options.timeout),
                counted: options.counted,
            },
        )
    })?;
    match &outcome.ended {
        Ended::Job(FINE) => Results::read(&file),
        Ended::Job(status) => Err(Failure::Finding(format!("the benches in the guest ended with {status}")).into()),
        Ended::Stopped(status) => Err(Failure::Finding(format!("stopped, status {status}")).into()),
        Ended::Broken(why) => Err(outcome.broken(paths, why)),
    }
}

/// This program, to measure the same.
fn argv(options: &Options, names: &[Name], tools: &Tools) -> Result<Vec<OsString>> {
    let program = env::current_exe().context("cannot find this program")?;
    let tools = serde_json::to_string(tools).context("a path is no text")?;
    let mut argv = vec![program.into_os_string(), "bench".into()];
    argv.extend(names.iter().map(|name| name.text().into()));
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
