//! A running `migtrace record`, and its result.

use std::{
    collections::BTreeMap,
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

use migtrace::{live::host::requirements::AVOID, trace::Trace};
use tempfile::TempDir;

use crate::{
    independent_counters::{Seen, Witness},
    requirements,
    support::{Run, migtrace},
};

/// Longer than anything takes that comes at all, on an emulated machine with a busy host.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// A recorder that was started and not waited for. It ends with this value.
pub(crate) struct Recorder {
    child: Beside,
    stdout: Heard,
    stderr: Heard,
    vmstat: BTreeMap<String, i64>,
    /// None under lockdown, which forbids reading trace events.
    witness: Option<Witness>,
    trace: PathBuf,
    dir: TempDir,
}

/// What is left of a recorder that ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) vmstat: BTreeMap<String, i64>,
    pub(crate) witness: Vec<Seen>,
    pub(crate) trace: PathBuf,
    pub(crate) dir: TempDir,
}

impl Recorder {
    /// Starts `record` with these options and, unless it is empty, this command.
    pub(crate) fn start<S: AsRef<OsStr>>(options: &[&str], argv: &[S]) -> Self {
        Self::start_avoiding("", options, argv)
    }

    /// The same without programs of these forms.
    pub(crate) fn start_avoiding<S: AsRef<OsStr>>(forms: &str, options: &[&str], argv: &[S]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let trace = dir.path().join("run.parquet");
        let mut command = migtrace();
        command.env(AVOID, forms).arg("record").args(options).arg("-o").arg(&trace);
        if !argv.is_empty() {
            command.arg("--").args(argv);
        }
        let witness = (!requirements::is_locked_down()).then(|| Witness::of(&["migrate/mm_migrate_pages"]));
        let vmstat = vmstat();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = Heard::from(child.stdout.take().unwrap());
        let stderr = Heard::from(child.stderr.take().unwrap());
        Self { child: Beside(child), stdout, stderr, vmstat, witness, trace, dir }
    }

    /// Starts a recording of the whole system, or of what `options` say, and waits until it is one.
    pub(crate) fn attached(options: &[&str]) -> Self {
        let recorder = Self::start::<&str>(options, &[]);
        recorder.stderr.wait_for("recording into");
        recorder
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// Its trace, once there is one.
    pub(crate) fn trace(&self) -> &Path {
        &self.trace
    }

    /// Waits until the workload has printed this.
    pub(crate) fn wait_for_output(&self, text: &str) {
        self.stdout.wait_for(text);
    }

    pub(crate) fn signal(&self, signal: i32) {
        send(self.pid(), signal);
    }

    /// Waits for its end, whatever that is.
    pub(crate) fn end(mut self) -> Ended {
        let status = self.child.0.wait().unwrap();
        let after = vmstat();
        let gained = |(name, count): (&String, &i64)| (name.clone(), count - self.vmstat.get(name).unwrap_or(&0));
        Ended {
            status,
            stdout: self.stdout.all(),
            stderr: self.stderr.all(),
            vmstat: after.iter().map(gained).collect(),
            witness: self.witness.map(Witness::stop).unwrap_or_default(),
            trace: self.trace,
            dir: self.dir,
        }
    }

    /// Waits for its end, which must be a good one.
    pub(crate) fn finish(self) -> Run {
        let ended = self.end();
        assert!(ended.status.success(), "record: {}\n{}\n{}", ended.status, ended.stdout, ended.stderr);
        ended.run()
    }
}

impl Ended {
    /// Its trace, read.
    pub(crate) fn run(self) -> Run {
        let opened = Trace::open(&self.trace).unwrap_or_else(|error| panic!("{error}\n{}", self.stderr));
        Run { meta: opened.meta().clone(), events: opened.read_all().unwrap(), ended: self }
    }

    /// In a shell's terms.
    pub(crate) fn shell_status(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }
}

/// Sends a signal to a process that this test started.
pub(crate) fn send(pid: u32, signal: i32) {
    // SAFETY: kill(2) touches no memory.
    assert_eq!(unsafe { libc::kill(pid as i32, signal) }, 0, "kill {pid}: {}", std::io::Error::last_os_error());
}

/// What a process has written so far.
pub(crate) struct Heard {
    text: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl Heard {
    pub(crate) fn from(mut pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&text);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = pipe.read(&mut buffer) {
                heard.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
        });
        Self { text, reader }
    }

    pub(crate) fn wait_for(&self, wanted: &str) {
        let began = Instant::now();
        while !self.text.lock().unwrap().contains(wanted) {
            let said = self.text.lock().unwrap().clone();
            assert!(began.elapsed() < PATIENCE && !self.reader.is_finished(), "{wanted:?} never came: {said}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn so_far(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    /// Everything, once the pipe's other ends are closed.
    fn all(self) -> String {
        let Self { text, reader } = self;
        reader.join().unwrap();
        text.lock().unwrap().clone()
    }
}

/// The kernel's counters, those of each node included, of which the CPUs otherwise add their parts once a second.
pub(crate) fn vmstat() -> BTreeMap<String, i64> {
    fs::read("/proc/sys/vm/stat_refresh").unwrap();
    let text = fs::read_to_string("/proc/vmstat").unwrap();
    text.lines().filter_map(|l| l.split_once(' ')).map(|(n, c)| (n.to_owned(), c.parse().unwrap())).collect()
}

/// A process beside the recording that ends with this value.
pub(crate) struct Beside(pub(crate) Child);

impl Beside {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }
}

impl Drop for Beside {
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
        assert!(began.elapsed() < 2 * PATIENCE, "{what} never came");
        thread::sleep(Duration::from_millis(250));
    }
}
