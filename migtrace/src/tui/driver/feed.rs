//! Feeds the state: takes events from a source, counts them in slices of time, and advances the time.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{rss, source::Source};
use crate::{
    clock,
    event::{Body, Event},
    model::live::rates::SECOND_NS,
    tui::state::{
        app::App,
        session::{self, Overhead},
    },
};

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

/// The state and its source.
pub(crate) struct Feed<S> {
    pub(crate) app: App,
    pub(crate) source: S,
    /// Events that are not counted yet.
    pub(crate) pending: VecDeque<Event>,
    /// Time left for counting.
    pub(crate) credit: Duration,
    /// Whether something was counted, or a key pressed, since the last frame.
    pub(crate) is_news: bool,
    /// Seconds so far.
    pub(crate) seconds: u64,
    /// When the work of each second was done last, ns.
    measured_ns: u64,
    cpu: (u64, u64),
}

impl<S: Source> Feed<S> {
    /// Starts before any event: the counts shown begin here.
    pub(crate) fn start(app: App, source: S) -> Self {
        let mut feed = Self {
            app,
            source,
            pending: VecDeque::new(),
            credit: Duration::ZERO,
            is_news: true,
            seconds: 0,
            measured_ns: 0,
            cpu: (clock::boot_ns(), clock::process_cpu_ns()),
        };
        feed.read_counts(clock::boot_ns());
        feed
    }

    /// Takes the kernel's counts, if it counts for this source.
    pub(crate) fn read_counts(&mut self, now_ns: u64) {
        if let Some(counts) = self.source.counts() {
            self.app.count(counts, now_ns);
            self.is_news = true;
        }
    }

    /// Takes the nodes, the paths of cgroups and the details of processes that are known now.
    pub(crate) fn read_names(&mut self) {
        if let Some(topology) = self.source.topology() {
            self.app.add_topology(&topology);
        }
        if let Some(paths) = self.source.cgroups() {
            self.app.set_cgroups(paths);
        }
        if !self.app.is_paused()
            && let Some((processes, evicted)) = self.source.processes()
        {
            self.app.set_processes(&processes, evicted);
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        self.app.source == session::Source::Live
    }

    /// Takes events. Those that waited too long are lost for the screen.
    pub(crate) fn take(&mut self, events: Vec<Event>) {
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
    pub(crate) fn count(&mut self) {
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

    /// Advances the time. Called each `frame`, in which counting may take its part of the time.
    pub(crate) fn tick(&mut self, frame: Duration) {
        let now = clock::boot_ns();
        // Events of a recording do not pile up in rings, so all the time may be spent on them.
        self.credit = if self.is_live() { frame.mul_f64(DUTY) } else { Duration::from_secs(1) };
        self.source.tick(now);
        self.update_playing();
        if let Some(message) = self.source.message() {
            self.app.notify(message);
        }
        self.app.have_exited = self.source.have_exited();
        if now.saturating_sub(self.measured_ns) >= SECOND_NS {
            self.measured_ns = now;
            self.read_counts(now);
            self.seconds += 1;
            self.measure(now);
            self.read_names();
        }
        self.app.tick(now);
    }

    /// Takes how a recording is being played.
    pub(crate) fn update_playing(&mut self) {
        if let Some(playing) = self.source.playing() {
            self.app.source = session::Source::Recording(playing);
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
}
