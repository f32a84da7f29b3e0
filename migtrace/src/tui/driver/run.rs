//! The driver: takes keys, events and ticks, does what the screen asks for, and draws at most ten times a second.

use std::{
    collections::VecDeque,
    io,
    time::{Duration, Instant},
};

use crossterm::event::Event as Input;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    time::sleep_until,
};

use super::{
    input,
    numa_maps::NumaMaps,
    procfs,
    recorder::Recorder,
    save,
    source::{Control, Controlled, Source},
    term::Term,
};
use crate::tui::state::app::{self, App, Effect, OwnCost};
use crate::{
    clock,
    event::{Body, Event},
    model::live::rates::SECOND_NS,
};

/// Time between two frames, but for those that answer a key.
const FRAME: Duration = Duration::from_millis(100);
/// Where a frame takes long, on a slow or busy machine, it may take one part in so many of the time, and there is at least
/// one in this time.
const FRAME_PARTS: u32 = 5;
const SLOWEST_FRAME: Duration = Duration::from_secs(1);
/// Longest time that events are counted before keys are looked at.
const SLICE: Duration = Duration::from_millis(15);
/// Of each second, the time in which events are counted; what comes beyond is only counted as not counted.
const DUTY: f64 = 0.6;
/// Live events older than this are let go, so that the screen shows what is now; and those beyond so many, so that memory
/// stays bounded. They are never left in the rings: what is lost there, a recording lacks too.
const BEHIND_NS: u64 = 5_000_000_000;
const WAITING: usize = 1 << 17;
/// Events counted between two looks at the clock.
const STRIDE: usize = 256;

struct Driver<S, R> {
    app: App,
    source: S,
    recorder: R,
    /// Came, and not counted yet.
    pending: VecDeque<Event>,
    /// Time that may be spent on counting.
    credit: Duration,
    /// Time from this frame to the next.
    frame: Duration,
    /// Something was counted, or a key pressed, since the last frame.
    is_news: bool,
    /// When this program's cost was measured, and what else is asked for each second, ns.
    measured_ns: u64,
    seconds: u64,
    cpu: (u64, u64),
    numa: mpsc::Receiver<NumaMaps>,
    numa_sender: mpsc::Sender<NumaMaps>,
    quit: bool,
}

/// Shows events until the user, or a signal, ends it. Gives what is to be said on stderr then.
///
/// # Errors
/// The terminal cannot be used.
pub async fn run<S: Source, R: Recorder>(
    mut app: App,
    source: S,
    recorder: R,
    mouse: bool,
) -> io::Result<Option<String>> {
    let mut term = Term::take(mouse)?;
    let size = term.terminal.size()?;
    app.resize(size.width, size.height);
    let (numa_sender, numa) = mpsc::channel(1);
    let mut driver = Driver {
        app,
        source,
        recorder,
        pending: VecDeque::new(),
        credit: Duration::ZERO,
        frame: FRAME,
        is_news: true,
        measured_ns: 0,
        seconds: 0,
        cpu: (clock::boot_ns(), clock::process_cpu_ns()),
        numa,
        numa_sender,
        quit: false,
    };
    // Before any event: from here on the counts are what is shown.
    if let Some(counts) = driver.source.counts() {
        driver.app.count(counts, clock::boot_ns());
    }
    let ended = driver.turns(&mut term).await;
    drop(term);
    let said = driver.recorder.finish().unwrap_or_else(Some);
    ended.map(|()| said)
}

impl<S: Source, R: Recorder> Driver<S, R> {
    async fn turns(&mut self, term: &mut Term) -> io::Result<()> {
        let mut inputs = input::inputs();
        let mut ends = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        let mut stop = signal(SignalKind::from_raw(libc::SIGTSTP))?;
        let mut resumed = signal(SignalKind::from_raw(libc::SIGCONT))?;
        let mut next_frame = Instant::now();
        while !self.quit {
            tokio::select! {
                biased;
                () = input::any(&mut ends) => break,
                _ = stop.recv() => self.suspend(term, &mut resumed).await?,
                _ = resumed.recv() => term.resume()?,
                input = inputs.recv() => match input {
                    Some(input) => self.inputs(input, &mut inputs, term).await?,
                    // The terminal is gone.
                    None => break,
                },
                Some(maps) = self.numa.recv() => (self.app.numa_maps, self.is_news) = (Some(maps), true),
                () = sleep_until(next_frame.into()) => {
                    let began = Instant::now();
                    self.frame(term)?;
                    let took = began.elapsed();
                    self.frame = (took * FRAME_PARTS).clamp(FRAME, SLOWEST_FRAME);
                    next_frame = began + self.frame;
                }
                () = std::future::ready(()), if !self.pending.is_empty() && !self.credit.is_zero() => self.count(),
                events = self.source.next(), if self.pending.is_empty() || self.is_live() => match events {
                    Some(events) => self.take(events),
                    None => break,
                },
            }
        }
        Ok(())
    }

    fn is_live(&self) -> bool {
        self.app.source == app::Source::Live
    }

    /// Takes events; those that waited too long are let go.
    fn take(&mut self, events: Vec<Event>) {
        self.pending.extend(events);
        if !self.is_live() {
            return;
        }
        let now = clock::boot_ns();
        while let Some(event) = self.pending.front() {
            if self.pending.len() <= WAITING && now.saturating_sub(event.ts_ns) <= BEHIND_NS {
                break;
            }
            let Some(event) = self.pending.pop_front() else { break };
            // Losses are never let go.
            if let Body::Loss(_) = event.body {
                self.app.feed(&event);
            } else {
                self.app.let_go(&event);
            }
        }
    }

    /// Counts events for a while.
    fn count(&mut self) {
        let began = Instant::now();
        let most = SLICE.min(self.credit);
        while began.elapsed() < most && !self.pending.is_empty() {
            for event in self.pending.drain(..STRIDE.min(self.pending.len())) {
                self.app.feed(&event);
            }
        }
        self.credit = self.credit.saturating_sub(began.elapsed());
        self.is_news = true;
    }

    /// Lets time go on, and draws where there is something new to see; each second there is.
    fn frame(&mut self, term: &mut Term) -> io::Result<()> {
        let seconds = self.seconds;
        self.tick();
        if std::mem::take(&mut self.is_news) || self.seconds != seconds {
            self.app.refresh();
            self.draw(term)?;
        }
        Ok(())
    }

    fn tick(&mut self) {
        let now = clock::boot_ns();
        // Nobody waits for what a recording shows but the user, so there all time is spent on it.
        self.credit = if self.is_live() { self.frame.mul_f64(DUTY) } else { Duration::from_secs(1) };
        self.source.tick(now);
        if let Some(playing) = self.source.playing() {
            self.app.source = app::Source::Recording(playing);
        }
        if let Some(said) = self.recorder.tick().unwrap_or_else(Some) {
            self.app.say(said);
        }
        self.app.recording = self.recorder.state();
        if now.saturating_sub(self.measured_ns) >= SECOND_NS {
            self.measured_ns = now;
            self.each_second(now);
        }
        self.app.tick(now);
    }

    fn each_second(&mut self, now: u64) {
        if let Some(counts) = self.source.counts() {
            self.app.count(counts, now);
            self.is_news = true;
        }
        self.seconds += 1;
        self.measure(now);
        if let Some(paths) = self.source.cgroups() {
            self.app.set_cgroups(paths);
        }
        if self.seconds.is_multiple_of(2)
            && let Some(Effect::ReadNumaMaps(pid)) = self.app.wants()
        {
            self.read_numa_maps(pid);
        }
    }

    /// What this program costs.
    fn measure(&mut self, now: u64) {
        let cpu = clock::process_cpu_ns();
        let (then, cpu_then) = std::mem::replace(&mut self.cpu, (now, cpu));
        let passed = now.saturating_sub(then).max(1);
        let percent = cpu.saturating_sub(cpu_then) as f64 * 100.0 / passed as f64;
        self.app.own =
            OwnCost { cpu_percent: Some(percent), rss_bytes: procfs::rss_bytes(), programs: self.source.programs() };
        self.app.silenced = self.source.silenced();
    }

    fn draw(&mut self, term: &mut Term) -> io::Result<()> {
        let app = &self.app;
        term.terminal.draw(|frame| crate::tui::draw(app, frame.buffer_mut()))?;
        Ok(())
    }

    /// Takes an input, and all that came with it, before one frame is drawn.
    async fn inputs(&mut self, first: Input, rest: &mut mpsc::Receiver<Input>, term: &mut Term) -> io::Result<()> {
        let mut next = Some(first);
        while let Some(input) = next {
            let effect = match input {
                Input::Key(key) => self.app.key(key),
                Input::Mouse(mouse) => self.app.mouse(mouse),
                Input::Resize(columns, rows) => {
                    self.app.resize(columns, rows);
                    None
                }
                _ => None,
            };
            if let Some(effect) = effect {
                self.perform(effect, term).await?;
            }
            next = if self.quit { None } else { rest.try_recv().ok() };
        }
        self.app.refresh();
        self.draw(term)
    }

    async fn perform(&mut self, effect: Effect, term: &mut Term) -> io::Result<()> {
        if let Effect::SaveScreen | Effect::ExportCsv = effect {
            // Keys can come faster than frames: what is saved is what the next frame shows.
            self.app.refresh();
        }
        match effect {
            Effect::Quit => self.quit = true,
            Effect::Suspend => {
                let mut resumed = signal(SignalKind::from_raw(libc::SIGCONT))?;
                self.suspend(term, &mut resumed).await?;
            }
            Effect::Redraw => term.redraw()?,
            Effect::ReadNumaMaps(pid) => self.read_numa_maps(pid),
            Effect::StartRecording => match self.recorder.start() {
                Ok(path) => self.app.say(format!("recording into {path}; the same key ends it")),
                Err(why) => self.app.say(why),
            },
            Effect::StopRecording => {
                self.recorder.stop();
                self.app.say("the recording ends, and its file is being closed");
            }
            Effect::SaveScreen => {
                let saved = save::screen(&self.app, &save::stamp());
                self.app.say(save::told(saved.map(Some)));
            }
            Effect::ExportCsv => {
                let saved = save::rows(&self.app, &save::stamp());
                self.app.say(save::told(saved));
            }
            Effect::TogglePlay => self.control(Control::TogglePlay),
            Effect::ChangeSpeed(times) => self.control(Control::ChangeSpeed(times)),
            Effect::Seek(to) => self.control(Control::Seek(to)),
            Effect::ReadAgain => self.control(Control::ReadAgain),
        }
        Ok(())
    }

    fn control(&mut self, control: Control) {
        // What was handed over and not counted would be missed.
        for event in self.pending.drain(..) {
            self.app.feed(&event);
        }
        if self.source.control(control) == Controlled::Restarted {
            self.app.reset();
        }
        if let Some(playing) = self.source.playing() {
            self.app.source = app::Source::Recording(playing);
        }
    }

    async fn suspend(&mut self, term: &mut Term, resumed: &mut Signal) -> io::Result<()> {
        term.suspend()?;
        // The signal that let us go on has been answered.
        let _ = tokio::time::timeout(Duration::from_millis(50), resumed.recv()).await;
        Ok(())
    }

    /// Reads on a thread: the kernel walks page tables for it.
    fn read_numa_maps(&self, pid: u32) {
        let sender = self.numa_sender.clone();
        tokio::task::spawn_blocking(move || {
            let maps = procfs::numa_maps(pid);
            // Nobody waits for it any more, or another reading is there.
            let _ = sender.try_send(maps);
        });
    }
}
