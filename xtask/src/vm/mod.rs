//! `cargo xtask vm`: boots the test machine, runs one command in it as root, and exits with its status.
//!
//! Covers the machine from QEMU's command line to the verdict on its console log. Kernels come from `kernel`.

mod accel;
pub(crate) mod console;
mod end;
pub(crate) mod guest;
pub(crate) mod initramfs;
pub(crate) mod machine;
mod plug;
pub(crate) mod qemu;
mod session;
mod share;
mod sink;
mod task;
mod terminal;
mod verdict;

use std::{
    ffi::OsString,
    fs, io,
    os::fd::{AsFd, BorrowedFd},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result};
use clap::Args;
use xtask_common::files::create_dir;
use xtask_guest::job::{Cgroups, Job};

use self::{
    end::Limits,
    machine::Machine,
    qemu::{Boot, Qemu},
    session::Streams,
    sink::Sink,
};
pub(crate) use self::{
    task::Options,
    verdict::{Ended, Outcome},
};
use crate::{
    kernel::Image,
    paths::Paths,
    setup::{self, Purpose},
};

/// Size of the swap device in the guest.
const SWAP_BYTES: u64 = 1 << 30;
/// Time limit for a boot, which can take a hundred times as long on a loaded host as on an idle one.
const BOOT_LIMIT: Duration = Duration::from_secs(120);
/// A guest that sends nothing for this time hangs.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);

/// One command to run in one boot.
pub(crate) struct Request<'a> {
    pub(crate) image: &'a Image,
    pub(crate) machine: &'a Machine,
    pub(crate) argv: Vec<OsString>,
    /// Added to the usual environment.
    pub(crate) env: Vec<(OsString, OsString)>,
    /// The `migtrace` that comes first on the PATH.
    pub(crate) collector: Option<PathBuf>,
    pub(crate) cwd: PathBuf,
    /// Whether to pass this process's standard input to the command, and its terminal if it has one.
    pub(crate) interactive: bool,
    pub(crate) stdout: BorrowedFd<'a>,
    pub(crate) stderr: BorrowedFd<'a>,
    pub(crate) timeout: Option<Duration>,
    /// Whether to emulate a machine whose clocks count instructions, 1 ns each.
    pub(crate) counted: bool,
    pub(crate) host: Host,
}

/// How the guest differs from a usual host, apart from its nodes and CPUs.
#[derive(Args, Clone, Debug)]
pub(crate) struct Host {
    /// Words for the kernel's command line, such as maxcpus=2
    #[arg(long, value_name = "WORDS", default_value = "", hide_default_value = true)]
    pub(crate) append: String,
    /// Mounted cgroup hierarchies: v2, v1 (one for each controller), or hybrid (v1, and v2 at /sys/fs/cgroup/unified)
    #[arg(long, value_name = "VERSION", default_value = "v2")]
    pub(crate) cgroups: Cgroups,
    /// Mount neither tracefs nor debugfs
    #[arg(long)]
    pub(crate) no_tracefs: bool,
}

impl Default for Host {
    /// Returns the defaults of the options.
    fn default() -> Host {
        Host { append: String::new(), cgroups: Cgroups::V2, no_tracefs: false }
    }
}

/// Boots the machine, runs the command, and stops the machine.
pub(crate) fn run(paths: &Paths, request: Request<'_>) -> Result<Outcome> {
    setup::ensure(paths, &[Purpose::Machine])?;
    let image = request.image;
    let init = guest::init(paths)?;
    let terminal = if request.interactive { terminal::of_caller() } else { None };
    let cwd = request.cwd.clone();
    let mut variables = guest::environment(request.collector.as_deref());
    variables.extend(request.env);
    let job = Job {
        argv: request.argv,
        env: variables,
        cwd: request.cwd.into(),
        terminal,
        shares: share::shares(&paths.checkout, &paths.target, &cwd),
        modules: image.modules.iter().map(|module| module.name.clone()).collect(),
        swap_bytes: if image.zram { SWAP_BYTES } else { 0 },
        cgroups: request.host.cgroups,
        tracefs: !request.host.no_tracefs,
    };
    create_dir(&paths.target.join("vm"))?;
    let work = tempfile::Builder::new().prefix("boot-").tempdir_in(paths.target.join("vm"));
    let work = work.context("cannot create a directory for the machine's files in target/vm")?;
    let write_initramfs = |job: &Job| {
        let file = work.path().join("initramfs");
        fs::write(&file, initramfs::archive(&init, &image.modules, job)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    };
    let program = qemu::program(paths);
    let accelerator = match request.counted {
        true => accel::Accelerator::Counted,
        false => accel::choose(paths, &program, &image.bzimage, || write_initramfs(&trial(&job)))?,
    };
    let initramfs = write_initramfs(&job)?;
    let console = work.path().join("console.log");

    let boot = Boot {
        program: &program,
        kernel: &image.bzimage,
        initramfs: &initramfs,
        console: &console,
        machine: request.machine,
        append: &request.host.append,
        accelerator,
        shares: &job.shares,
    };
    let qemu = Qemu::start(&boot)?;
    let stdin = io::stdin();
    let streams = Streams {
        stdin: request.interactive.then(|| stdin.as_fd()),
        stdout: Sink::to(request.stdout)?,
        stderr: Sink::to(request.stderr)?,
        terminal: terminal.is_some(),
    };
    let limits =
        Limits { boot: BOOT_LIMIT * image.slowness, silence: SILENCE_LIMIT * image.slowness, job: request.timeout };
    let finish = session::run(&qemu.port, streams, limits)?;
    let qemu_stderr = qemu.stop();
    Ok(Outcome::new(finish, console::read(&console), &qemu_stderr, limits, &image.name))
}

/// Returns the smallest job that shows that a guest boots.
fn trial(job: &Job) -> Job {
    Job {
        argv: vec!["true".into()],
        env: Vec::new(),
        cwd: "/".into(),
        terminal: None,
        shares: Vec::new(),
        modules: job.modules.clone(),
        swap_bytes: 0,
        cgroups: Cgroups::V2,
        tracefs: true,
    }
}
