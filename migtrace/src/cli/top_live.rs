//! What `migtrace top` needs when it is live: the running kernel as a source of the screen, and a trace beside it.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    thread::{self, JoinHandle},
    time::{SystemTime, UNIX_EPOCH},
};

use migtrace::{
    event::Event,
    probe::{cgroups::Cgroups, left_behind::LeftBehind},
    ring::clock,
    source::Live,
    trace::{
        Output, Plan,
        meta::{Meta, ProgramCost},
    },
    tui::{
        app::{Playing, Recording},
        recorder::Recorder,
        source::{Control, Controlled, Source},
    },
};

/// The kernel wants its programs measured only now and then, and counts the calls: about four a second.
const TICKS_PER_LIVE_TICK: u32 = 3;

pub(crate) struct LiveSource {
    live: Live,
    cgroups: Cgroups,
    left_behind: LeftBehind,
    ticks: u32,
}

impl LiveSource {
    pub(crate) fn new(live: Live) -> Self {
        Self { live, cgroups: Cgroups::running(), left_behind: LeftBehind::default(), ticks: 0 }
    }
}

impl Source for LiveSource {
    async fn next(&mut self) -> Option<Vec<Event>> {
        let mut events = self.live.next().await?;
        for event in &mut events {
            self.cgroups.see(event.cgroup_id);
            self.left_behind.fill(event);
        }
        Some(events)
    }

    fn tick(&mut self, _now_ns: u64) {
        if self.ticks.is_multiple_of(TICKS_PER_LIVE_TICK) {
            self.live.tick();
        }
        self.ticks = self.ticks.wrapping_add(1);
    }

    fn control(&mut self, _control: Control) -> Controlled {
        Controlled::GoOn
    }

    fn playing(&self) -> Option<Playing> {
        None
    }

    fn programs(&self) -> Vec<ProgramCost> {
        self.live.programs()
    }

    fn cgroups(&self) -> Option<BTreeMap<u64, String>> {
        Some(self.cgroups.paths())
    }
}

/// Over a recording nothing is recorded.
pub(crate) struct NoRecorder;

impl Recorder for NoRecorder {
    fn start(&mut self, _meta: &Meta) -> Result<String, String> {
        Err("this is a recording already".to_owned())
    }

    fn write(&mut self, _events: &[Event]) -> Result<(), String> {
        Ok(())
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

/// Writes what comes into a trace, from one key to the next.
pub(crate) struct TraceRecorder {
    path: Option<PathBuf>,
    /// The trace that is being written, and what it will say about itself.
    under_way: Option<(Output, Meta)>,
    /// The one before, which is being closed: that takes as long as its size asks for.
    closing: Option<JoinHandle<Closed>>,
}

/// What was written, for people, or what went wrong.
type Closed = Result<String, String>;

impl TraceRecorder {
    pub(crate) const fn new(path: Option<PathBuf>) -> Self {
        Self { path, under_way: None, closing: None }
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

    /// What went wrong ends the recording; what was written can be recovered.
    fn failed(&mut self, error: &migtrace::trace::Error) -> String {
        let path = self.under_way.take().map(|(output, _)| output.current_path().display().to_string());
        format!("the recording ended: {error}; `migtrace recover {}` makes a trace of it", path.unwrap_or_default())
    }
}

impl Recorder for TraceRecorder {
    fn start(&mut self, meta: &Meta) -> Result<String, String> {
        let path = self.next_path();
        if self.closing.is_some() {
            return Err("the recording before is still being closed".to_owned());
        }
        if path.exists() {
            return Err(format!("{} is there already", path.display()));
        }
        let meta = Meta { start_ns: clock::boot_ns(), ..meta.clone() };
        let output = Output::create(&path, &meta, Plan::default())
            .map_err(|error| format!("cannot record into {}: {error}", path.display()))?;
        self.under_way = Some((output, meta));
        Ok(path.display().to_string())
    }

    fn write(&mut self, events: &[Event]) -> Result<(), String> {
        let Some((output, _)) = &mut self.under_way else { return Ok(()) };
        match events.iter().try_for_each(|event| output.push(event)) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn tick(&mut self) -> Result<Option<String>, String> {
        if let Some((output, _)) = &mut self.under_way {
            output.tick().map_err(|error| self.failed(&error))?;
        }
        let is_closed = self.closing.as_ref().is_some_and(JoinHandle::is_finished);
        if is_closed { self.closed() } else { Ok(None) }
    }

    fn stop(&mut self) {
        let Some((output, mut meta)) = self.under_way.take() else { return };
        meta.end_ns = Some(clock::boot_ns());
        self.closing = Some(thread::spawn(move || {
            let path = output.current_path();
            let written = output.finish(&meta).map_err(|error| format!("closing {}: {error}", path.display()))?;
            Ok(format!("recorded {} events into {}", written.events, path.display()))
        }));
    }

    fn finish(&mut self) -> Result<Option<String>, String> {
        self.stop();
        self.closed()
    }

    fn state(&self) -> Option<Recording> {
        let (output, _) = self.under_way.as_ref()?;
        Some(Recording {
            path: output.current_path().display().to_string(),
            events: output.events(),
            bytes: output.bytes(),
        })
    }
}
