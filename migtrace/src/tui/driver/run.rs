//! The driver: hands keys, events and ticks to the state, performs its effects, and draws at most ten times a second.

use std::{
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
    feed::Feed,
    input,
    job_control::Who,
    recorder::Recorder,
    save,
    source::{Control, Controlled, Source},
    term::{Term, is_gone},
};
use crate::{
    live::host::numa_maps::{self, NumaMaps},
    tui::{
        state::{app::App, effect::Effect, session},
        view::theme::Theme,
    },
};

/// Time between two frames. A key is answered by a frame at once.
const FRAME: Duration = Duration::from_millis(100);
/// On a slow or busy machine a frame can take long. Drawing then takes at most one part in so many of the time, but at
/// least one frame is drawn in this time.
const FRAME_PARTS: u32 = 5;
const SLOWEST_FRAME: Duration = Duration::from_secs(1);
struct Driver<S, R> {
    feed: Feed<S>,
    theme: Theme,
    recorder: R,
    /// Time from this frame to the next.
    frame: Duration,
    /// Least time between two frames that no key draws.
    interval: Duration,
    drawn: Option<Instant>,
    numa: mpsc::Receiver<NumaMaps>,
    numa_sender: mpsc::Sender<NumaMaps>,
    quit: bool,
}

/// How the screen looks and behaves.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    pub theme: Theme,
    pub mouse: bool,
    /// Least time between two frames, unless a key is pressed; `None`: ten a second.
    pub interval: Option<Duration>,
}

/// Shows events until the user or a signal ends it. Returns a message for stderr.
///
/// # Errors
/// The terminal cannot be used.
pub async fn run<S: Source, R: Recorder>(
    mut app: App,
    source: S,
    recorder: R,
    screen: Screen,
) -> io::Result<Option<String>> {
    let mut term = Term::take(screen.mouse)?;
    let (columns, rows) = term.size();
    app.resize(columns, rows);
    let (numa_sender, numa) = mpsc::channel(1);
    let mut driver = Driver {
        feed: Feed::start(app, source),
        theme: screen.theme,
        recorder,
        frame: FRAME,
        interval: screen.interval.unwrap_or(FRAME),
        drawn: None,
        numa,
        numa_sender,
        quit: false,
    };
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
                Some(maps) = self.numa.recv() => (self.feed.app.numa_maps, self.feed.is_news) = (Some(maps), true),
                () = sleep_until(next_frame.into()) => {
                    let began = Instant::now();
                    self.frame(term)?;
                    let took = began.elapsed();
                    self.frame = (took * FRAME_PARTS).clamp(FRAME, SLOWEST_FRAME);
                    next_frame = began + self.frame;
                }
                () = std::future::ready(()), if !self.feed.pending.is_empty() && !self.feed.credit.is_zero() => self.feed.count(),
                events = self.feed.source.next(), if self.feed.pending.is_empty() || self.feed.is_live() => match events {
                    Some(events) => self.feed.take(events),
                    None => break,
                },
            }
        }
        Ok(())
    }

    /// Advances the time, and draws if something changed, at least once a second.
    fn frame(&mut self, term: &mut Term) -> io::Result<()> {
        let seconds = self.feed.seconds;
        self.tick();
        self.feed.is_news |= self.feed.seconds != seconds;
        let is_due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= self.interval);
        if is_due && std::mem::take(&mut self.feed.is_news) {
            self.feed.app.refresh();
            self.draw(term)?;
        }
        Ok(())
    }

    fn tick(&mut self) {
        let seconds = self.feed.seconds;
        self.feed.tick(self.frame);
        if let Some(said) = self.recorder.tick().unwrap_or_else(Some) {
            self.feed.app.notify(said);
        }
        self.feed.app.recording = self.recorder.state();
        if self.feed.seconds != seconds
            && self.feed.seconds.is_multiple_of(2)
            && let Some(Effect::ReadNumaMaps(pid)) = self.feed.app.wants()
        {
            self.read_numa_maps(pid);
        }
    }

    fn draw(&mut self, term: &mut Term) -> io::Result<()> {
        self.drawn = Some(Instant::now());
        let (app, theme) = (&self.feed.app, self.theme);
        // A frame that the terminal does not take is drawn later, with what is new by then.
        let is_drawn = term.draw(|buffer| crate::tui::draw(app, theme, buffer))?;
        self.feed.is_news |= !is_drawn;
        Ok(())
    }

    /// Takes an input, and all that came with it, and then draws one frame.
    async fn inputs(&mut self, first: Input, term: &mut Term) -> io::Result<()> {
        let mut next = Some(first);
        while let Some(one) = next {
            let effect = match one {
                Input::Key(key) => input::key(&mut self.feed.app, key),
                Input::Mouse(mouse) => input::mouse(&mut self.feed.app, mouse),
                Input::Paste(text) => {
                    self.feed.app.paste(&text);
                    None
                }
                _ => None,
            };
            if let Some(effect) = effect {
                self.perform(effect, term).await?;
            }
            next = if self.quit { None } else { term.reader.waiting() };
        }
        self.feed.app.refresh();
        self.draw(term)
    }

    async fn perform(&mut self, effect: Effect, term: &mut Term) -> io::Result<()> {
        if let Effect::SaveScreen | Effect::ExportCsv = effect {
            // Keys can come faster than frames: the next frame is what is saved.
            self.feed.app.refresh();
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
                Ok(path) => self.feed.app.notify(format!("recording to {path}; the same key stops it")),
                Err(why) => self.feed.app.notify(why),
            },
            Effect::StopRecording => {
                self.recorder.stop();
                self.feed.app.notify("recording stopped; its file is being closed");
            }
            Effect::SaveScreen => {
                let saved = save::screen(&self.feed.app, self.theme, &save::stamp());
                self.feed.app.notify(save::message(saved.map(Some)));
            }
            Effect::ExportCsv => {
                let saved = save::rows(&self.feed.app, &save::stamp());
                self.feed.app.notify(save::message(saved));
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
        for event in self.feed.pending.drain(..) {
            self.feed.app.feed(&event);
        }
        if self.feed.source.control(control) == Controlled::Restarted {
            self.feed.app.reset();
        }
        if let Some(playing) = self.feed.source.playing() {
            self.feed.app.source = session::Source::Recording(playing);
        }
    }

    /// Takes the terminal's size.
    fn resize(&mut self, term: &Term) {
        let (columns, rows) = term.size();
        self.feed.app.resize(columns, rows);
        self.feed.is_news = true;
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
