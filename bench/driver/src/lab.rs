//! The surroundings of a bench: programs built for it, its files and CPUs. Runs programs pinned to a CPU.

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

/// Paths of the programs that were built, and of the folder for files.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tools {
    pub toucher: PathBuf,
    pub floor: PathBuf,
    /// The floor's BPF programs.
    pub floor_object: PathBuf,
    pub refault: PathBuf,
    pub holder: PathBuf,
    pub migtrace: PathBuf,
    /// `bench-replay`, which runs migtrace's library on records from memory.
    pub replay: PathBuf,
    /// target/bench
    pub directory: PathBuf,
}

/// The tools and CPUs for measurements.
pub struct Lab {
    pub tools: Tools,
    /// CPUs that this process is allowed to use.
    pub cpus: Vec<u32>,
    /// Whether clocks count instructions; the machine then has one CPU.
    pub counted: bool,
}

/// Resources that a program used, including the children that it waited for.
pub struct Used {
    pub cpu: Duration,
    pub wall: Duration,
    pub max_rss_bytes: u64,
    pub stdout: String,
    pub stderr: String,
}

impl Lab {
    /// Reads the CPUs of this machine, and creates the folder for files.
    pub fn new(tools: Tools, counted: bool) -> Result<Lab> {
        let mine = sched_getaffinity(Pid::from_raw(0)).context("cannot read the CPUs that this process may use")?;
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

    /// Returns the CPU for tracers.
    pub fn watching_cpu(&self) -> u32 {
        self.cpus[0]
    }

    /// Returns the CPU for the workload.
    pub fn faulting_cpu(&self) -> u32 {
        self.cpus[1.min(self.cpus.len() - 1)]
    }

    /// Returns the path of a file of the bench. The file stays until the next run overwrites it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.tools.directory.join(name)
    }

    /// Returns a command pinned to the CPU for tracers.
    pub fn watching<I: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = I>) -> Command {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &self.watching_cpu().to_string()]).args(argv);
        command
    }

    /// Returns a command that is not pinned.
    pub fn anywhere(&self, program: &Path) -> Command {
        Command::new(program)
    }

    /// Runs a program to its end. Keeps its output in files called `name`, too.
    pub fn run(&self, command: Command, name: &str) -> Result<Used> {
        let path = self.file(&format!("{name}.out"));
        let stdout = fs::File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let used = self.run_into(command, name, stdout.into())?;
        Ok(Used { stdout: text(&path)?, ..used })
    }

    /// Runs a program to its end, and discards its standard output.
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

/// Returns the size of a file that must not be empty.
pub fn bytes(path: &Path) -> Result<u64> {
    let metadata = fs::metadata(path).with_context(|| format!("cannot read the size of {}", path.display()))?;
    if metadata.len() == 0 {
        bail!("{} is empty", path.display());
    }
    Ok(metadata.len())
}
