//! Starts and ends `migtrace record` and other processes, with their output.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsStr,
    fs,
    io::Read,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use migtrace::{
    event::{Body, Probe},
    live::host::requirements::AVOID,
    trace::Trace,
};
use tempfile::TempDir;

use crate::{
    census,
    independent_counters::{FtraceInstance, TraceEvent},
    requirements,
    support::{Run, migtrace},
};

/// The variable that adds a census to every recording: `cargo xtask test --census`.
const CENSUS: &str = "MIGTRACE_TEST_CENSUS";
/// Options of tests that are about censuses and changes of place, or that a census contradicts.
const WITHOUT_CENSUS: &[&str] = &["--census", "--census-every", "--places", "--aggregate-only"];

/// Time after which a test fails because something did not happen. Long enough for an emulated machine on a busy host.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(90);

/// A running recorder. It is killed on drop.
pub(crate) struct Recorder {
    child: ChildGuard,
    stdout: CapturedOutput,
    stderr: CapturedOutput,
    vmstat: BTreeMap<String, i64>,
    /// `None` under lockdown, which forbids reading trace events.
    ftrace: Option<FtraceInstance>,
    trace: PathBuf,
    dir: TempDir,
    /// Whether a census was added to what the test wants.
    has_census: bool,
}

/// The results of a recorder that ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Increase of each counter while the recorder ran.
    pub(crate) vmstat: BTreeMap<String, i64>,
    /// Events of mm_migrate_pages.
    pub(crate) ftrace: Vec<TraceEvent>,
    pub(crate) trace: PathBuf,
    pub(crate) dir: TempDir,
}

impl Recorder {
    /// Starts `record` with these options and, if `argv` is not empty, with this command.
    pub(crate) fn start<S: AsRef<OsStr>>(options: &[&str], argv: &[S]) -> Self {
        Self::start_with(&[], options, argv)
    }

    /// The same without BPF programs of these types.
    pub(crate) fn start_avoiding<S: AsRef<OsStr>>(program_types: &str, options: &[&str], argv: &[S]) -> Self {
        Self::start_with(&[(AVOID, program_types)], options, argv)
    }

    /// The same with environment variables.
    pub(crate) fn start_with<S: AsRef<OsStr>>(env: &[(&str, &str)], options: &[&str], argv: &[S]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let trace = dir.path().join("run.parquet");
        let mut command = migtrace();
        let has_census = env::var_os(CENSUS).is_some() && !options.iter().any(|option| WITHOUT_CENSUS.contains(option));
        command.envs(env.iter().copied()).arg("record").args(options).arg("-o").arg(&trace);
        command.args(has_census.then_some("--census"));
        if !argv.is_empty() {
            command.arg("--").args(argv);
        }
        let ftrace = (!requirements::is_locked_down()).then(|| FtraceInstance::start(&["migrate/mm_migrate_pages"]));
        let vmstat = vmstat();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = CapturedOutput::from(child.stdout.take().unwrap());
        let stderr = CapturedOutput::from(child.stderr.take().unwrap());
        Self { child: ChildGuard(child), stdout, stderr, vmstat, ftrace, trace, dir, has_census }
    }

    /// Starts a recording of the whole system, or of the processes that `options` select. Waits until probes are
    /// attached.
    pub(crate) fn attached(options: &[&str]) -> Self {
        let recorder = Self::start::<&str>(options, &[]);
        recorder.stderr.wait_for("recording into");
        recorder
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// Returns the path of the trace, also before the file exists.
    pub(crate) fn trace(&self) -> &Path {
        &self.trace
    }

    /// Waits until the workload has printed `text`.
    pub(crate) fn wait_for_output(&self, text: &str) {
        self.stdout.wait_for(text);
    }

    /// Waits until the recorder has printed this message.
    pub(crate) fn wait_for_message(&self, text: &str) {
        self.stderr.wait_for(text);
    }

    pub(crate) fn signal(&self, signal: i32) {
        send(self.pid(), signal);
    }

    /// Waits until the recorder ends, with success or failure.
    pub(crate) fn end(mut self) -> Ended {
        let status = self.child.0.wait().unwrap();
        let after = vmstat();
        let gained = |(name, count): (&String, &i64)| (name.clone(), count - self.vmstat.get(name).unwrap_or(&0));
        Ended {
            status,
            stdout: self.stdout.all(),
            stderr: self.stderr.all(),
            vmstat: after.iter().map(gained).collect(),
            ftrace: self.ftrace.map(FtraceInstance::stop).unwrap_or_default(),
            trace: self.trace,
            dir: self.dir,
        }
    }

    /// Waits until the recorder ends, asserts its success, and reads the trace.
    pub(crate) fn finish(self) -> Run {
        let has_census = self.has_census;
        let ended = self.end();
        assert!(ended.status.success(), "record: {}\n{}\n{}", ended.status, ended.stdout, ended.stderr);
        let mut run = ended.run();
        if has_census {
            run.events.retain(|event| !matches!(event.body, Body::Census(_) | Body::Place(_)));
            run.meta.account.retain(|account| account.probe != Probe::Place);
            census::assert_explained(&run.ended.trace);
        }
        run
    }
}

impl Ended {
    /// Reads the trace.
    pub(crate) fn run(self) -> Run {
        let opened = Trace::open(&self.trace).unwrap_or_else(|error| panic!("{error}\n{}", self.stderr));
        let (nodes, events) = opened.read_all().unwrap().into_iter().partition(|e| matches!(e.body, Body::Node(_)));
        Run { meta: opened.meta().clone(), events, nodes, ended: self }
    }

    /// Returns the exit status as a shell does: 128 plus the number of the signal that killed the recorder.
    pub(crate) fn shell_status(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }
}

/// Sends a signal to a process that this test started.
pub(crate) fn send(pid: u32, signal: i32) {
    // SAFETY: kill(2) touches no memory.
    assert_eq!(unsafe { libc::kill(pid as i32, signal) }, 0, "kill {pid}: {}", std::io::Error::last_os_error());
}

/// The output of a process, read in a thread.
pub(crate) struct CapturedOutput {
    text: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl CapturedOutput {
    pub(crate) fn from(mut pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let written = Arc::clone(&text);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = pipe.read(&mut buffer) {
                written.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
        });
        Self { text, reader }
    }

    pub(crate) fn wait_for(&self, wanted: &str) {
        let began = Instant::now();
        while !self.text.lock().unwrap().contains(wanted) {
            let output = self.so_far();
            assert!(began.elapsed() < TIMEOUT && !self.reader.is_finished(), "no {wanted:?} in the output: {output}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn so_far(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    /// Waits until the pipe's other ends are closed, and returns the whole output.
    fn all(self) -> String {
        let Self { text, reader } = self;
        reader.join().unwrap();
        text.lock().unwrap().clone()
    }
}

/// Reads the counters of /proc/vmstat. Without the refresh, the CPUs add their parts of the per-node counters only once
/// a second.
pub(crate) fn vmstat() -> BTreeMap<String, i64> {
    fs::read("/proc/sys/vm/stat_refresh").unwrap();
    let text = fs::read_to_string("/proc/vmstat").unwrap();
    text.lines().filter_map(|l| l.split_once(' ')).map(|(n, c)| (n.to_owned(), c.parse().unwrap())).collect()
}

/// A child process that is killed on drop.
pub(crate) struct ChildGuard(pub(crate) Child);

impl ChildGuard {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }
}

impl Drop for ChildGuard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(began.elapsed() < 2 * TIMEOUT, "timeout: {what}");
        thread::sleep(Duration::from_millis(250));
    }
}
