//! A recording as a source of events. A thread reads it; events come at the original speed, a multiple of it, or as fast as
//! they can be read.

use std::{path::PathBuf, thread};

use tokio::sync::mpsc::{Receiver, channel};

use super::source::{Control, Controlled, Source};
use crate::{
    counts::Counts,
    event::{Body, Event},
    filter::Filter,
    recording::{Meta, ProcessDetails, ProgramCost, Topology},
    trace::Trace,
    tui::state::session::Playing,
};

/// Events in a parcel, and parcels that may wait.
const PARCEL: usize = 2048;
const PARCELS: usize = 8;
/// The slowest and the fastest speed.
const SPEEDS: (f64, f64) = (1.0 / 64.0, 4096.0);

type Parcel = Result<Vec<Event>, String>;

/// A recording that is being played.
pub struct Replay {
    path: PathBuf,
    filter: Filter,
    playing: Playing,
    parcels: Receiver<Parcel>,
    /// Events that were read and are later than the position.
    held: Vec<Event>,
    /// Plays as fast as possible up to this time, then pauses.
    hurry_to_ns: Option<u64>,
    last_tick_ns: Option<u64>,
}

impl Replay {
    /// Starts to read an open trace as fast as possible, with the events that pass the filter.
    #[must_use]
    pub fn start(path: PathBuf, name: String, trace: Trace, filter: Filter) -> Self {
        let meta = trace.meta();
        let playing = Playing {
            name,
            events: trace.event_count(),
            start_ns: meta.start_ns,
            end_ns: meta.end_ns,
            position_ns: meta.start_ns,
            truncated: trace.truncated(),
            ..Playing::default()
        };
        let parcels = read(move || Ok(trace), filter.clone());
        Self { path, filter, playing, parcels, held: Vec::new(), hurry_to_ns: None, last_tick_ns: None }
    }

    fn restart(&mut self) {
        let path = self.path.clone();
        self.parcels = read(move || Trace::open(&path).map_err(|e| e.to_string()), self.filter.clone());
        self.held.clear();
        self.playing.events_read = 0;
        self.playing.ended = false;
        self.playing.error = None;
        self.playing.position_ns = self.playing.start_ns;
    }

    /// The time up to which events may come now; `None` while paused.
    fn until_ns(&self) -> Option<u64> {
        match (self.hurry_to_ns, self.playing.paused, self.playing.speed) {
            (Some(to), ..) => Some(to),
            (None, true, _) => None,
            (None, false, None) => Some(u64::MAX),
            (None, false, Some(_)) => Some(self.playing.position_ns),
        }
    }

    /// Takes the held events that are due.
    fn due(&mut self, until_ns: u64) -> Vec<Event> {
        let later = self.held.iter().position(|e| e.ts_ns > until_ns).unwrap_or(self.held.len());
        let rest = self.held.split_off(later);
        let due = std::mem::replace(&mut self.held, rest);
        if let Some(last) = due.last() {
            if self.playing.start_ns == 0 {
                self.playing.start_ns = last.ts_ns;
            }
            self.playing.position_ns = self.playing.position_ns.max(last.ts_ns);
        }
        self.playing.events_read += due.len() as u64;
        due
    }

    fn arrived(&mut self) {
        if let Some(to) = self.hurry_to_ns.take() {
            self.playing.position_ns = self.playing.position_ns.max(to.min(self.playing.end_ns.unwrap_or(0)));
            self.playing.paused = true;
            self.playing.speed.get_or_insert(1.0);
        }
    }

    fn end(&mut self) {
        self.playing.ended = true;
        self.hurry_to_ns = None;
        self.playing.position_ns = self.playing.end_ns.unwrap_or(0).max(self.playing.position_ns);
        self.playing.end_ns.get_or_insert(self.playing.position_ns);
    }
}

impl Source for Replay {
    async fn next(&mut self) -> Option<Vec<Event>> {
        loop {
            let Some(until_ns) = self.until_ns().filter(|_| !self.playing.ended) else {
                // Waits until a command changes that.
                return std::future::pending().await;
            };
            if self.held.is_empty() {
                match self.parcels.recv().await {
                    Some(Ok(events)) => self.held = events,
                    Some(Err(why)) => {
                        self.playing.error = Some(why);
                        self.end();
                    }
                    None => self.end(),
                }
                continue;
            }
            let due = self.due(until_ns);
            if !due.is_empty() {
                return Some(due);
            }
            self.arrived();
            if self.until_ns() == Some(until_ns) {
                // The next tick moves the position on.
                return std::future::pending().await;
            }
        }
    }

    fn tick(&mut self, now_ns: u64) {
        let passed = now_ns.saturating_sub(self.last_tick_ns.replace(now_ns).unwrap_or(now_ns));
        let p = &mut self.playing;
        if let (Some(speed), false, None, false) = (p.speed, p.paused, self.hurry_to_ns, p.ended) {
            p.position_ns = p.position_ns.saturating_add((passed as f64 * speed) as u64);
        }
    }

    fn message(&mut self) -> Option<String> {
        None
    }

    fn have_exited(&self) -> bool {
        false
    }

    fn control(&mut self, control: Control) -> Controlled {
        match control {
            Control::TogglePlay if self.playing.ended => {
                self.restart();
                (self.playing.paused, self.playing.speed) = (false, Some(self.playing.speed.unwrap_or(1.0)));
                return Controlled::Restarted;
            }
            Control::TogglePlay => self.playing.paused = !self.playing.paused,
            Control::ChangeSpeed(times) => {
                let speed = (self.playing.speed.unwrap_or(1.0) * times).clamp(SPEEDS.0, SPEEDS.1);
                self.playing.speed = Some(speed);
            }
            Control::Seek(u64::MAX) => {
                (self.playing.paused, self.playing.speed, self.hurry_to_ns) = (false, None, None);
            }
            Control::Seek(to) => {
                let back = to < self.playing.position_ns;
                if back {
                    self.restart();
                }
                self.hurry_to_ns = Some(to);
                if back {
                    return Controlled::Restarted;
                }
            }
            Control::ReadAgain => {
                let (to, whole) = (self.playing.position_ns, self.playing.ended);
                self.restart();
                if whole {
                    (self.playing.paused, self.playing.speed) = (false, None);
                } else {
                    self.hurry_to_ns = Some(to);
                }
                return Controlled::Restarted;
            }
        }
        Controlled::GoOn
    }

    fn playing(&self) -> Option<Playing> {
        Some(self.playing.clone())
    }

    fn counts(&mut self) -> Option<Counts> {
        None
    }

    /// Recorded with the probes.
    fn silenced(&self) -> bool {
        false
    }

    fn programs(&self) -> Vec<ProgramCost> {
        Vec::new()
    }

    fn cgroups(&self) -> Option<std::collections::BTreeMap<u64, String>> {
        None
    }

    fn topology(&self) -> Option<Topology> {
        None
    }

    fn processes(&mut self) -> Option<(Vec<ProcessDetails>, u64)> {
        None
    }
}

/// Reads on a thread that ends when the receiver is dropped.
fn read(open: impl FnOnce() -> Result<Trace, String> + Send + 'static, filter: Filter) -> Receiver<Parcel> {
    let (sender, receiver) = channel(PARCELS);
    thread::spawn(move || {
        let trace = match open() {
            Ok(trace) => trace,
            Err(why) => return drop(sender.blocking_send(Err(why))),
        };
        let mut parcel = Vec::with_capacity(PARCEL);
        for event in trace.events() {
            match event {
                // No filter excludes nodes: they are of the machine, and not of a task.
                Ok(event) if !filter.wants(&event) && !matches!(event.body, Body::Node(_)) => {}
                Ok(event) => parcel.push(event),
                Err(error) => {
                    let _ = sender.blocking_send(Ok(std::mem::take(&mut parcel)));
                    return drop(sender.blocking_send(Err(error.to_string())));
                }
            }
            if parcel.len() == PARCEL {
                let full = std::mem::replace(&mut parcel, Vec::with_capacity(PARCEL));
                if sender.blocking_send(Ok(full)).is_err() {
                    return;
                }
            }
        }
        let _ = sender.blocking_send(Ok(parcel));
    });
    receiver
}

/// The metadata of a recording, without the probes whose events the filter excludes.
#[must_use]
pub fn meta(trace: &Trace, filter: &Filter) -> Meta {
    let mut meta = trace.meta().clone();
    crate::recording::coverage::exclude(&mut meta.probes, filter.kinds().complement());
    meta
}

#[cfg(test)]
mod tests;
