//! The driver: hands keys, events and ticks to the state, performs its effects, and draws at most ten times a second.

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
    job_control::Who,
    numa_maps,
    recorder::Recorder,
    rss, save,
    source::{Control, Controlled, Source},
    term::{Term, is_gone},
};
use crate::{
    clock,
    event::{Body, Event},
    model::live::rates::SECOND_NS,
    tui::{
        state::{
            app::App,
            effect::Effect,
            numa_maps::NumaMaps,
            session::{self, Overhead},
        },
        view::theme::Theme,
    },
};

/// Time between two frames. A key is answered by a frame at once.
const FRAME: Duration = Duration::from_millis(100);
/// On a slow or busy machine a frame can take long. Drawing then takes at most one part in so many of the time, but at
/// least one frame is drawn in this time.
const FRAME_PARTS: u32 = 5;
const SLOWEST_FRAME: Duration = Duration::from_secs(1);
/// Longest time of counting events before keys are read.
const SLICE: Duration = Duration::from_millis(15);
/// Part of the time that is spent on counting live events. Events beyond that are lost for the screen, which shows how many.
const DUTY: f64 = 0.6;
/// Live events older than this are lost for the screen, so that it shows what is now. Events beyond so many are lost
/// too, so that memory stays bounded. They are never left in the rings: a recording beside the screen would lose them,
/// too.
const BEHIND_NS: u64 = 5_000_000_000;
const WAITING: usize = 1 << 17;
/// Events counted between two readings of the clock.
const STRIDE: usize = 256;

struct Driver<S, R> {
    app: App,
    theme: Theme,
    source: S,
    recorder: R,
    /// Events that are not counted yet.
    pending: VecDeque<Event>,
    /// Time left for counting.
    credit: Duration,
    /// Time from this frame to the next.
    frame: Duration,
    /// Whether something was counted, or a key pressed, since the last frame.
    is_news: bool,
    /// When the work of each second was done last, ns.
    measured_ns: u64,
    seconds: u64,
    cpu: (u64, u64),
    numa: mpsc::Receiver<NumaMaps>,
    numa_sender: mpsc::Sender<NumaMaps>,
    quit: bool,
}

/// Shows events until the user or a signal ends it. Returns a message for stderr.
///
/// # Errors
/// The terminal cannot be used.
pub async fn run<S: Source, R: Recorder>(
    mut app: App,
    theme: Theme,
    source: S,
    recorder: R,
    mouse: bool,
) -> io::Result<Option<String>> {
    let mut term = Term::take(mouse)?;
    let (columns, rows) = term.size();
    app.resize(columns, rows);
    let (numa_sender, numa) = mpsc::channel(1);
    let mut driver = Driver {
        app,
        theme,
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
    // Before any event: the counts shown begin here.
    if let Some(counts) = driver.source.counts() {
        driver.app.count(counts, clock::boot_ns());
    }
    let ended = driver.turns(&mut term).await;
    drop(term);
    let said = driver.recorder.finish().unwrap_or_else(Some);
    match ended {
        // A terminal that is gone ends the screen like SIGHUP, which comes at about the same time.
        Err(error) if is_gone(&error) => Ok(said),
        ended => ended.map(|()| said),
    }
}

impl<S: Source, R: Recorder> Driver<S, R> {
    async fn turns(&mut self, term: &mut Term) -> io::Result<()> {
        let mut ends = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        let mut stop = signal(SignalKind::from_raw(libc::SIGTSTP))?;
        let mut resumed = signal(SignalKind::from_raw(libc::SIGCONT))?;
        let mut resized = signal(SignalKind::window_change())?;
        let mut next_frame = Instant::now();
        while !self.quit {
            tokio::select! {
                biased;
                () = input::any(&mut ends) => break,
                _ = stop.recv() => self.suspend(Who::Process, term, &mut resumed).await?,
                _ = resumed.recv() => {
                    term.resume()?;
                    self.resize(term);
                }
                // Drawn with the next frame: while a window is dragged, many come.
                _ = resized.recv() => {
                    term.redraw()?;
                    self.resize(term);
                }
                input = term.reader.next() => match input {
                    Some(input) => self.inputs(input, term).await?,
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
        self.app.source == session::Source::Live
    }

    /// Takes events. Those that waited too long are lost for the screen.
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
            // A report of losses is always counted.
            if let Body::Loss(_) = event.body {
                self.app.feed(&event);
            } else {
                self.app.lose(&event);
            }
        }
    }

    /// Counts events for a slice of time.
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

    /// Advances the time, and draws if something changed, at least once a second.
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
        // Events of a recording do not pile up in rings, so all the time may be spent on them.
        self.credit = if self.is_live() { self.frame.mul_f64(DUTY) } else { Duration::from_secs(1) };
        self.source.tick(now);
        if let Some(playing) = self.source.playing() {
            self.app.source = session::Source::Recording(playing);
        }
        if let Some(message) = self.source.message() {
            self.app.notify(message);
        }
        self.app.have_exited = self.source.have_exited();
        if let Some(said) = self.recorder.tick().unwrap_or_else(Some) {
            self.app.notify(said);
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

    /// Measures the overhead.
    fn measure(&mut self, now: u64) {
        let cpu = clock::process_cpu_ns();
        let (then, cpu_then) = std::mem::replace(&mut self.cpu, (now, cpu));
        let passed = now.saturating_sub(then).max(1);
        let percent = cpu.saturating_sub(cpu_then) as f64 * 100.0 / passed as f64;
        self.app.overhead =
            Overhead { cpu_percent: Some(percent), rss_bytes: rss::rss_bytes(), programs: self.source.programs() };
        self.app.silenced = self.source.silenced();
    }

    fn draw(&mut self, term: &mut Term) -> io::Result<()> {
        let (app, theme) = (&self.app, self.theme);
        term.draw(|buffer| crate::tui::draw(app, theme, buffer))
    }

    /// Takes an input, and all that came with it, and then draws one frame.
    async fn inputs(&mut self, first: Input, term: &mut Term) -> io::Result<()> {
        let mut next = Some(first);
        while let Some(one) = next {
            let effect = match one {
                Input::Key(key) => input::key(&mut self.app, key),
                Input::Mouse(mouse) => input::mouse(&mut self.app, mouse),
                Input::Paste(text) => {
                    self.app.paste(&text);
                    None
                }
                _ => None,
            };
            if let Some(effect) = effect {
                self.perform(effect, term).await?;
            }
            next = if self.quit { None } else { term.reader.waiting() };
        }
        self.app.refresh();
        self.draw(term)
    }

    async fn perform(&mut self, effect: Effect, term: &mut Term) -> io::Result<()> {
        if let Effect::SaveScreen | Effect::ExportCsv = effect {
            // Keys can come faster than frames: the next frame is what is saved.
            self.app.refresh();
        }
        match effect {
            Effect::Quit => self.quit = true,
            Effect::Suspend => {
                let mut resumed = signal(SignalKind::from_raw(libc::SIGCONT))?;
                self.suspend(Who::Group, term, &mut resumed).await?;
            }
            Effect::Redraw => {
                term.redraw()?;
                self.resize(term);
            }
            Effect::ReadNumaMaps(pid) => self.read_numa_maps(pid),
            Effect::StartRecording => match self.recorder.start() {
                Ok(path) => self.app.notify(format!("recording to {path}; the same key stops it")),
                Err(why) => self.app.notify(why),
            },
            Effect::StopRecording => {
                self.recorder.stop();
                self.app.notify("recording stopped; its file is being closed");
            }
            Effect::SaveScreen => {
                let saved = save::screen(&self.app, self.theme, &save::stamp());
                self.app.notify(save::message(saved.map(Some)));
            }
            Effect::ExportCsv => {
                let saved = save::rows(&self.app, &save::stamp());
                self.app.notify(save::message(saved));
            }
            Effect::TogglePlay => self.control(Control::TogglePlay),
            Effect::ChangeSpeed(times) => self.control(Control::ChangeSpeed(times)),
            Effect::Seek(to) => self.control(Control::Seek(to)),
            Effect::ReadAgain => self.control(Control::ReadAgain),
        }
        Ok(())
    }

    fn control(&mut self, control: Control) {
        // Events that came and are not counted yet belong to the position so far.
        for event in self.pending.drain(..) {
            self.app.feed(&event);
        }
        if self.source.control(control) == Controlled::Restarted {
            self.app.reset();
        }
        if let Some(playing) = self.source.playing() {
            self.app.source = session::Source::Recording(playing);
        }
    }

    /// Takes the terminal's size.
    fn resize(&mut self, term: &Term) {
        let (columns, rows) = term.size();
        self.app.resize(columns, rows);
        self.is_news = true;
    }

    async fn suspend(&mut self, who: Who, term: &mut Term, resumed: &mut Signal) -> io::Result<()> {
        term.suspend(who)?;
        self.resize(term);
        // Drops the SIGCONT that ended the stop: the terminal is taken already.
        let _ = tokio::time::timeout(Duration::from_millis(50), resumed.recv()).await;
        Ok(())
    }

    /// Reads on a thread, because the kernel walks page tables for it.
    fn read_numa_maps(&self, pid: u32) {
        let sender = self.numa_sender.clone();
        tokio::task::spawn_blocking(move || {
            let maps = numa_maps::read(pid);
            // Fails if the screen has ended, or if another reading waits.
            let _ = sender.try_send(maps);
        });
    }
}
