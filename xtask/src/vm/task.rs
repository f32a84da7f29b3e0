//! The task `vm`: its options and its exit status.

use std::{
    env,
    ffi::OsString,
    io::{self, IsTerminal},
    os::fd::AsFd,
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result};
use clap::Args;
use xtask_common::{
    exit::{FINDING, FINE},
    progress::say,
};

use super::{Ended, Host, Outcome, Request, guest, machine::Machine, run};
use crate::{
    cargo, ebpf,
    kernel::{self, Image},
    paths::Paths,
};

/// Boot the virtual machine and run a command in it, or a shell
///
/// The guest sees this host's files read-only, target/ writable, and `migtrace` on its PATH. The command runs as root;
/// its exit status is this command's.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cargo xtask vm                                        a shell
  cargo xtask vm --kernel stock-6.12 -- migtrace doctor
  cargo xtask vm --nodes 2 --mem 2G -- numactl --hardware
  cargo xtask vm --no-cpus 2 --offline 1                a node without CPUs, and a gap in the numbers of nodes
  cargo xtask vm --kernel stock-6.1 --possible-cpus 128 --append maxcpus=2
                                                        128 possible CPUs, 4 present, 2 online
  cargo xtask vm --kernel stock-6.1 --hot-add 256M      a node that the guest can plug in
  cargo xtask vm --cgroups hybrid --no-tracefs -- migtrace doctor")]
pub(crate) struct Options {
    /// Kernel to boot
    #[arg(long, value_name = "NAME", default_value = kernel::DEFAULT, help = format!("Kernel to boot: {}", kernel::NAMES))]
    kernel: String,
    #[command(flatten)]
    machine: Machine,
    #[command(flatten)]
    host: Host,
    /// Stop the machine if the command takes longer (30s, 5m); exit status 69
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
    /// Emulate with clocks that count instructions, 1 ns each: the same work takes the same time, regardless of the
    /// host's load. Best with --cpus 1
    #[arg(long)]
    counted: bool,
    /// Boot this bzImage
    #[arg(long, value_name = "FILE", hide = true)]
    bzimage: Option<PathBuf>,
    /// Command and arguments; default: an interactive shell
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

impl Options {
    /// Runs the command in the guest, and returns its status.
    pub(crate) fn run(self, paths: &Paths) -> Result<u8> {
        let image = match self.bzimage {
            Some(bzimage) => Image { name: "own".to_owned(), bzimage, modules: Vec::new(), zram: true, slowness: 1 },
            None => kernel::image(paths, &self.kernel)?,
        };
        let argv = if self.command.is_empty() { shell() } else { self.command };
        let outcome = run(
            paths,
            Request {
                image: &image,
                machine: &self.machine,
                argv,
                env: Vec::new(),
                collector: collector(paths),
                cwd: env::current_dir().context("cannot find the working directory")?,
                interactive: true,
                stdout: io::stdout().as_fd(),
                stderr: io::stderr().as_fd(),
                timeout: self.timeout,
                counted: self.counted,
                host: self.host,
            },
        )?;
        judge(paths, &outcome)
    }
}

/// Returns the collector that was built last, or builds one. If it cannot be built, the guest boots without it.
fn collector(paths: &Paths) -> Option<PathBuf> {
    guest::collector(paths).or_else(|| {
        let built = ebpf::build(paths).and_then(|()| cargo::build_collector(paths));
        built.inspect_err(|error| say(format!("no `migtrace` in the guest: {error:#}"))).ok()
    })
}

/// Returns the caller's shell if it is a file that the guest can run, else /bin/sh.
fn shell() -> Vec<OsString> {
    let shell = env::var_os("SHELL").filter(|shell| PathBuf::from(shell).is_file());
    let shell = shell.unwrap_or_else(|| "/bin/sh".into());
    if io::stdin().is_terminal() { vec![shell, "-i".into()] } else { vec![shell] }
}

/// Returns the command's status, or an error if the machine broke. Success with a kernel error becomes a finding.
fn judge(paths: &Paths, outcome: &Outcome) -> Result<u8> {
    let status = match &outcome.ended {
        Ended::Broken(why) => return Err(outcome.broken(paths, why)),
        Ended::Job(status) | Ended::Stopped(status) => *status,
    };
    if outcome.splats.is_empty() {
        return Ok(status);
    }
    say("the guest's kernel reported errors:");
    for splat in outcome.splats.iter().take(10) {
        say(format!("  {splat}"));
    }
    say(format!("the whole console log: {}", outcome.keep_console(paths)?));
    Ok(if status == FINE && outcome.faults().next().is_some() { FINDING } else { status })
}
