//! Where a bench works: the programs that were built for it, its files, its CPUs, and running a program pinned.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use nix::{
    sched::{CpuSet, sched_getaffinity},
    sys::signal::Signal,
    unistd::Pid,
};
use serde::{Deserialize, Serialize};
use wait4::Wait4;
use xtask_common::{command, exit::Failure, files::create_dir};

/// What was built, and where files go.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tools {
    pub toucher: PathBuf,
    pub floor: PathBuf,
    /// The floor's BPF programs.
    pub floor_object: PathBuf,
    pub refault: PathBuf,
    pub migtrace: PathBuf,
    /// What migtrace's library does with records from memory.
    pub replay: PathBuf,
    /// target/bench
    pub directory: PathBuf,
}

/// A place to measure in.
pub struct Lab {
    pub tools: Tools,
    /// CPUs that this process may use.
    pub cpus: Vec<u32>,
    /// Clocks count instructions here, of the one CPU that there is.
    pub counted: bool,
}

/// What a program used until it ended, with the children that it waited for.
pub struct Used {
    pub cpu: Duration,
    pub wall: Duration,
    pub max_rss_bytes: u64,
    pub stdout: String,
    pub stderr: String,
}

impl Lab {
    /// Looks at this machine.
    pub fn new(tools: Tools, counted: bool) -> Result<Lab> {
        let mine = sched_getaffinity(Pid::from_raw(0)).context("cannot read which CPUs this process may use")?;
        let cpus: Vec<u32> =
            (0..CpuSet::count()).filter(|&cpu| mine.is_set(cpu).unwrap_or(false)).map(|cpu| cpu as u32).collect();
        if cpus.len() < 2 && !counted {
            return Err(Failure::Environment(
                "the benches need two CPUs: one for the workload, one for the tracer".into(),
            )
            .into());
        }
        create_dir(&tools.directory)?;
        Ok(Lab { tools, cpus, counted })
    }

    /// The CPU for tracers.
    pub fn watching_cpu(&self) -> u32 {
        self.cpus[0]
    }

    /// The CPU for the workload.
    pub fn faulting_cpu(&self) -> u32 {
        self.cpus[1.min(self.cpus.len() - 1)]
    }

    /// A file of the bench. It stays until the next run writes it anew.
    pub fn file(&self, name: &str) -> PathBuf {
        self.tools.directory.join(name)
    }

    /// A program on the CPU for watching.
    pub fn watching<I: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = I>) -> Command {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &self.watching_cpu().to_string()]).args(argv);
        command
    }

    /// A program on any CPU.
    pub fn anywhere(&self, program: &Path) -> Command {
        Command::new(program)
    }

    /// Runs a program to its end. Its output is also kept in files called `name`.
    pub fn run(&self, command: Command, name: &str) -> Result<Used> {
        let path = self.file(&format!("{name}.out"));
        let stdout = fs::File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let used = self.run_into(command, name, stdout.into())?;
        Ok(Used { stdout: text(&path)?, ..used })
    }

    /// The same, without keeping standard output.
    pub fn run_quietly(&self, command: Command, name: &str) -> Result<Used> {
        self.run_into(command, name, Stdio::null())
    }

    fn run_into(&self, mut command: Command, name: &str, stdout: Stdio) -> Result<Used> {
        let path = self.file(&format!("{name}.err"));
        let stderr = fs::File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).env("NO_COLOR", "1").env("LC_ALL", "C");
        command::ends_with_this_process(&mut command, Signal::SIGTERM);
        let shown = command::shown(&command);
        let began = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start `{shown}`"))?;
        let ended = child.wait4().with_context(|| format!("cannot wait for `{shown}`"))?;
        let wall = began.elapsed();
        let stderr = text(&path)?;
        ensure!(ended.status.success(), "`{shown}` failed: {}\n{}", ended.status, stderr.trim_end());
        let cpu = ended.rusage.utime + ended.rusage.stime;
        Ok(Used { cpu, wall, max_rss_bytes: ended.rusage.maxrss, stdout: String::new(), stderr })
    }
}

fn text(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// How large a file is.
pub fn bytes(path: &Path) -> Result<u64> {
    let metadata = fs::metadata(path).with_context(|| format!("cannot look at {}", path.display()))?;
    if metadata.len() == 0 {
        bail!("{} is empty", path.display());
    }
    Ok(metadata.len())
}
