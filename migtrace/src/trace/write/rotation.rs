//! The files of a recording: one trace, one after the other (rotation), or the last events on demand (flight).
//!
//! Every file has its own [`Writer`], or is made from what a writer has in memory. It is complete, with all metadata, so that
//! it can be read alone. A thread closes files, so that the rings are read meanwhile.

use std::{
    collections::VecDeque,
    fs, io,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{merge::Summary, snapshot::Snapshot, wall_clock::WallClock, writer::Writer};
use crate::{
    clock,
    event::Event,
    recording::{Meta, ProcessDetails, Topology},
    trace::error::{Error, Result},
};

/// How a recording becomes files. Default: one trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Size at which the next file starts, bytes.
    pub rotate_bytes: Option<u64>,
    /// Age at which the next file starts.
    pub rotate_age: Option<Duration>,
    /// Files to keep, including the one being written; older ones are removed. `None`: all.
    pub keep_files: Option<NonZeroUsize>,
    /// Keep only the last events, in memory; not together with rotation.
    pub flight: Option<Flight>,
}

impl Plan {
    fn rotates(&self) -> bool {
        self.rotate_bytes.is_some() || self.rotate_age.is_some()
    }
}

/// What a flight recording keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flight {
    pub age: Duration,
    /// Maximum memory, as encoded.
    pub bytes: u64,
}

/// The files of a finished recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Events in all files, including removed ones.
    pub events: u64,
    /// Size of all those files.
    pub bytes: u64,
    /// The files that exist, oldest first.
    pub files: Vec<PathBuf>,
}

/// Time between two reads of the table of processes, if segments are closed because they are large.
const PROCESSES_AGE: Duration = Duration::from_millis(700);

/// A running recording.
pub struct Output {
    path: PathBuf,
    plan: Plan,
    /// Metadata of all files but the last.
    meta: Meta,
    writer: Writer,
    /// Number of the file being written, or of the next dump.
    number: u32,
    /// When this file started, CLOCK_BOOTTIME. The time of events includes suspend, and so does the age of a file.
    begun_ns: u64,
    wall_clock: WallClock,
    /// The thread that closes a file.
    closing: Option<JoinHandle<Result<Summary>>>,
    written: Written,
    files: VecDeque<PathBuf>,
    /// When the table of processes was last read.
    processes_read: Instant,
    /// Events of the files before.
    events_before: u64,
    /// CPU time of the files before.
    cpu_before_ns: u64,
}

impl Output {
    /// Starts a recording to `path`, and to numbered files beside it.
    ///
    /// # Errors
    /// As [`Writer::create`].
    pub fn create(path: &Path, meta: &Meta, plan: Plan) -> Result<Self> {
        let mut meta = meta.clone();
        meta.part = plan.rotates().then_some(0);
        let writer = match plan.flight {
            Some(Flight { age, bytes }) => Writer::create_flight(path, &meta, age, bytes)?,
            None => Writer::create(path, &meta)?,
        };
        Ok(Self {
            path: path.to_owned(),
            plan,
            meta,
            writer,
            number: 0,
            begun_ns: clock::boot_ns(),
            wall_clock: WallClock::start(),
            closing: None,
            written: Written::default(),
            files: VecDeque::new(),
            processes_read: Instant::now(),
            events_before: 0,
            cpu_before_ns: 0,
        })
    }

    /// As [`Writer::push`].
    ///
    /// # Errors
    /// As [`Writer::push`].
    pub fn push(&mut self, event: &Event) -> Result<()> {
        self.writer.push(event)
    }

    /// Takes the table of processes as it is now, and how many were evicted, for the files from now on. `None`: no change.
    ///
    /// # Errors
    /// As [`Writer::set_processes`].
    pub fn set_processes(&mut self, changed: Option<(Vec<ProcessDetails>, u64)>) -> Result<()> {
        let Some(processes) = changed else { return Ok(()) };
        (self.meta.processes, self.meta.evicted_processes) = processes;
        self.writer.set_processes(&self.meta)
    }

    /// Adds the nodes, CPUs and memory that are online now, for the files from now on.
    ///
    /// # Errors
    /// As [`Writer::set_processes`].
    pub fn add_topology(&mut self, now: &Topology) -> Result<()> {
        let mut known = self.meta.topology.clone();
        known.add(now);
        if known == self.meta.topology {
            return Ok(());
        }
        self.meta.topology = known;
        self.writer.set_processes(&self.meta)
    }

    /// As [`Writer::tick`]; also starts the next file if this one is large or old enough. `processes` is called about once a
    /// second, before a segment or a file ends, and returns what [`Output::set_processes`] takes.
    ///
    /// # Errors
    /// As [`Writer::push`], or a file could not be closed or created.
    pub fn tick(&mut self, processes: impl FnOnce() -> Option<(Vec<ProcessDetails>, u64)>) -> Result<()> {
        if self.closing.as_ref().is_some_and(JoinHandle::is_finished) {
            self.wait()?;
        }
        if self.wall_clock.tick() {
            self.meta.wall_steps = self.wall_clock.steps(self.meta.wall_offset_ns);
            self.writer.set_processes(&self.meta)?;
        }
        let is_large = self.plan.rotate_bytes.is_some_and(|limit| self.writer.bytes() >= limit);
        let age = Duration::from_nanos(clock::boot_ns().saturating_sub(self.begun_ns));
        let is_old = self.plan.rotate_age.is_some_and(|limit| age >= limit);
        let rotates = (is_large || is_old) && self.writer.events() > 0;
        if rotates || self.writer.is_due() || self.processes_read.elapsed() >= PROCESSES_AGE {
            self.processes_read = Instant::now();
            self.set_processes(processes())?;
        }
        if rotates { self.rotate() } else { self.writer.tick() }
    }

    /// The file being written; of a flight recording, the one with the partial directory.
    #[must_use]
    pub fn current_path(&self) -> PathBuf {
        let number = if self.plan.flight.is_some() { 0 } else { self.number };
        numbered(&self.path, number)
    }

    /// Events pushed so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events_before + self.writer.events()
    }

    /// Bytes on the disk; of a flight recording, bytes in memory.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.written.bytes + self.writer.bytes()
    }

    /// CPU time of encoding and writing so far, without closing this file, ns. Waits until all pushed events are written.
    ///
    /// # Errors
    /// As [`Writer::push`].
    pub fn cpu_ns(&mut self) -> Result<u64> {
        self.wait()?;
        self.writer.flush()?;
        // The time of a flight recording's dump includes that of all encoding before it.
        let before_ns = if self.plan.flight.is_some() { 0 } else { self.cpu_before_ns };
        Ok(before_ns + self.writer.cpu_ns())
    }

    /// Writes the events of a flight recording as the next file, on a thread, and returns its name. `end_ns`: the time now.
    ///
    /// # Errors
    /// As [`Writer::push`], or the dump before could not be written.
    pub fn dump(&mut self, end_ns: u64) -> Result<PathBuf> {
        self.wait()?;
        let path = numbered(&self.path, self.number);
        self.number += 1;
        let held = self.writer.held()?;
        let meta = self.ended(end_ns);
        self.close(path.clone(), move |path| held.write(path, &meta))?;
        Ok(path)
    }

    /// What a flight recording has in memory, to be sent elsewhere. `end_ns`: the time now.
    ///
    /// # Errors
    /// As [`Writer::push`].
    pub fn snapshot(&mut self, end_ns: u64) -> Result<Snapshot> {
        self.writer.snapshot(self.ended(end_ns))
    }

    /// Ends the recording; its last file carries `meta`.
    ///
    /// # Errors
    /// As [`Writer::finish`].
    pub fn finish(mut self, meta: &Meta) -> Result<Written> {
        self.wait()?;
        let path = numbered(&self.path, self.number);
        let Meta { start_ns, part, wall_offset_ns, wall_change_ns, wall_steps, .. } = self.ended(0);
        let meta = Meta { start_ns, part, wall_offset_ns, wall_change_ns, wall_steps, ..meta.clone() };
        let summary = match self.plan.flight {
            None => self.writer.finish(&meta)?,
            Some(_) => {
                let summary = self.writer.held()?.write(&path, &meta)?;
                self.writer.discard()?;
                summary
            }
        };
        self.files.push_back(path);
        Ok(Written {
            events: self.written.events + summary.events,
            bytes: self.written.bytes + summary.bytes,
            files: self.files.into(),
        })
    }

    /// The metadata of a file that ends now.
    fn ended(&self, end_ns: u64) -> Meta {
        let wall_steps = self.wall_clock.steps(self.meta.wall_offset_ns);
        Meta { end_ns: Some(end_ns), wall_change_ns: self.wall_clock.change_ns(), wall_steps, ..self.meta.clone() }
    }

    fn rotate(&mut self) -> Result<()> {
        self.wait()?;
        let end_ns = self.writer.newest_ns();
        let meta = self.ended(end_ns);
        let path = numbered(&self.path, self.number);
        self.number += 1;
        self.meta.start_ns = end_ns;
        self.meta.wall_offset_ns += self.wall_clock.next_file();
        self.meta.wall_steps.clear();
        self.meta.part = Some(self.number);
        // Each segment has the metadata it begins with, and one has the table.
        let processes = std::mem::take(&mut self.meta.processes);
        let mut next = Writer::create(&numbered(&self.path, self.number), &self.meta)?;
        self.meta.processes = processes;
        next.set_processes(&self.meta)?;
        self.events_before += self.writer.events();
        let done = std::mem::replace(&mut self.writer, next);
        self.begun_ns = clock::boot_ns();
        self.close(path, move |_| done.finish(&meta))
    }

    /// Writes a file on a thread.
    fn close(&mut self, path: PathBuf, write: impl FnOnce(&Path) -> Result<Summary> + Send + 'static) -> Result<()> {
        self.files.push_back(path.clone());
        let thread = thread::Builder::new().name("migtrace-close".to_owned());
        let named = path.clone();
        self.closing = Some(thread.spawn(move || write(&path)).map_err(Error::write(&named))?);
        Ok(())
    }

    /// Waits for the file that is being closed, then removes files beyond the number to keep.
    fn wait(&mut self) -> Result<()> {
        let Some(closing) = self.closing.take() else { return Ok(()) };
        let summary = closing.join().expect("closing a file does not panic")?;
        self.written.events += summary.events;
        self.written.bytes += summary.bytes;
        self.cpu_before_ns += summary.cpu_ns;
        let keep = self.plan.keep_files.map_or(usize::MAX, NonZeroUsize::get);
        // The file being written is one of them.
        while self.files.len() >= keep {
            let Some(oldest) = self.files.pop_front() else { break };
            match fs::remove_file(&oldest) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(Error::write(&oldest)(e)),
                _ => {}
            }
        }
        Ok(())
    }
}

/// `run.parquet`, `run.1.parquet`, `run.2.parquet`, ...
fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let suffix = match path.extension() {
        Some(extension) => format!("{number}.{}", extension.to_string_lossy()),
        None => number.to_string(),
    };
    path.with_extension(suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_numbered_before_their_extension() {
        let of = |path: &str, number| numbered(Path::new(path), number).display().to_string();
        assert_eq!(of("a.b/run.parquet", 0), "a.b/run.parquet");
        assert_eq!(of("a.b/run.parquet", 12), "a.b/run.12.parquet");
        assert_eq!(of("a.b/run", 1), "a.b/run.1");
        assert_eq!(of("run.v2.parquet", 3), "run.v2.3.parquet");
    }
}
