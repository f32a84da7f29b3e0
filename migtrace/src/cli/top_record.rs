//! Recording from `migtrace top`. Most of the screen's own events are only counted, so a separate `migtrace record`
//! records them all, for the same processes and with the same filter.

use std::{
    ffi::OsString,
    fs,
    io::{self, Read},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
    time::{SystemTime, UNIX_EPOCH},
};

use migtrace::{
    trace::Trace,
    tui::{driver::recorder::Recorder, state::session::Recording},
};

use super::{filter::FilterArgs, follow::TreeArgs};

/// Over a recording nothing is recorded.
pub(crate) struct NoRecorder;

impl Recorder for NoRecorder {
    fn start(&mut self) -> Result<String, String> {
        Err("this is a recording already".to_owned())
    }

    fn tick(&mut self) -> Result<Option<String>, String> {
        Ok(None)
    }

    fn stop(&mut self) {}

    fn finish(&mut self) -> Result<Option<String>, String> {
        Ok(None)
    }

    fn state(&self) -> Option<Recording> {
        None
    }
}

/// Records into a trace, from one key to the next.
pub(crate) struct TraceRecorder {
    path: Option<PathBuf>,
    /// Whom, and which events.
    scope: Vec<OsString>,
    under_way: Option<(Child, PathBuf)>,
    /// The one before, which is being closed: that takes as long as its size asks for.
    closing: Option<JoinHandle<Closed>>,
}

/// What was written, for people, or what went wrong.
type Closed = Result<String, String>;

impl TraceRecorder {
    pub(crate) fn new(path: Option<PathBuf>, filter: &FilterArgs, tree: TreeArgs) -> Self {
        let scope = filter.as_options().into_iter().chain(tree.tree.then(|| "--tree".into())).collect();
        Self { path, scope, under_way: None, closing: None }
    }

    /// The one that was asked for, or one named by the time.
    fn next_path(&self) -> PathBuf {
        self.path.clone().unwrap_or_else(|| {
            let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            PathBuf::from(format!("migtrace-{seconds}.parquet"))
        })
    }

    /// Waits for what is being closed.
    fn closed(&mut self) -> Result<Option<String>, String> {
        let Some(closing) = self.closing.take() else { return Ok(None) };
        closing.join().unwrap_or_else(|_| Err("closing the recording failed".to_owned())).map(Some)
    }

    /// Lets the recorder come to its end.
    fn close(&mut self, recorder: Child, path: PathBuf) {
        self.closing = Some(thread::spawn(move || close(recorder, &path)));
    }
}

/// What the recorder has to say, once it has ended.
fn close(mut recorder: Child, path: &Path) -> Closed {
    let mut said = String::new();
    if let Some(mut stderr) = recorder.stderr.take() {
        // What cannot be read is not told.
        let _ = stderr.read_to_string(&mut said);
    }
    let status = recorder.wait().map_err(|error| format!("waiting for the recorder: {error}"))?;
    if !status.success() {
        let why = said.lines().last().unwrap_or("it did not say why");
        return Err(format!("recording into {} failed: {why}", path.display()));
    }
    let trace = Trace::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let (events, lost) = (trace.event_count(), trace.meta().lost());
    Ok(format!("recorded {events} events ({lost} lost) into {}", path.display()))
}

/// In the child: a screen that is killed takes its recorder with it, which closes its trace as on any other SIGINT.
fn end_with_parent() -> io::Result<()> {
    // SAFETY: a number and a signal, no memory.
    let done = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGINT) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

impl Recorder for TraceRecorder {
    fn start(&mut self) -> Result<String, String> {
        let path = self.next_path();
        if self.closing.is_some() {
            return Err("the recording before is still being closed".to_owned());
        }
        if path.exists() {
            return Err(format!("{} is there already", path.display()));
        }
        let failed = |error: io::Error| format!("cannot record into {}: {error}", path.display());
        let program = std::env::current_exe().map_err(failed)?;
        let mut record = Command::new(program);
        record.args(["record", "--quiet", "--output"]).arg(&path).args(&self.scope);
        record.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // Keys of the terminal are for the screen, not for it.
        record.process_group(0);
        // SAFETY: between fork and exec only prctl is called, which is async-signal-safe.
        unsafe { record.pre_exec(end_with_parent) };
        let recorder = record.spawn().map_err(failed)?;
        let shown = path.display().to_string();
        self.under_way = Some((recorder, path));
        Ok(shown)
    }

    fn tick(&mut self) -> Result<Option<String>, String> {
        let ended = |(recorder, _): &mut (Child, PathBuf)| !matches!(recorder.try_wait(), Ok(None));
        if let Some((recorder, path)) = self.under_way.take_if(ended) {
            self.close(recorder, path);
        }
        let is_closed = self.closing.as_ref().is_some_and(JoinHandle::is_finished);
        if is_closed { self.closed() } else { Ok(None) }
    }

    fn stop(&mut self) {
        let Some((recorder, path)) = self.under_way.take() else { return };
        // SAFETY: a signal to a child that has not been waited for, so the number is still its own.
        unsafe { libc::kill(recorder.id() as i32, libc::SIGINT) };
        self.close(recorder, path);
    }

    fn finish(&mut self) -> Result<Option<String>, String> {
        self.stop();
        self.closed()
    }

    fn state(&self) -> Option<Recording> {
        let (_, path) = self.under_way.as_ref()?;
        let mut parts = path.clone().into_os_string();
        parts.push(".partial");
        let sizes = fs::read_dir(parts).into_iter().flatten().flatten().filter_map(|part| part.metadata().ok());
        Some(Recording { path: path.display().to_string(), bytes: sizes.map(|part| part.len()).sum() })
    }
}
