//! Where a recording goes: one trace, one after the other (rotation), or what was last when it is asked for (flight).
//!
//! Every file is made by a [`Writer`] of its own or from what it holds, is whole, and has all metadata, so that it can be
//! read alone. Files are closed on a thread, so that the rings are read meanwhile.

use std::{
    collections::VecDeque,
    fs, io,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{merge::Summary, writer::Writer};
use crate::{
    event::Event,
    recording::Meta,
    trace::error::{Error, Result},
};

/// How a recording becomes files. The default: one trace of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Begin the next file when this one has so many bytes.
    pub rotate_bytes: Option<u64>,
    /// Begin the next file when this one is so old.
    pub rotate_age: Option<Duration>,
    /// Files that are kept, the one that is written included; older ones are removed. `None`: all.
    pub keep_files: Option<NonZeroUsize>,
    /// Keep only what was last, in memory; not together with rotation.
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
    /// Most that it takes in memory, encoded.
    pub bytes: u64,
}

/// What became of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Events in all files, those that were removed included.
    pub events: u64,
    /// Size of all those files.
    pub bytes: u64,
    /// The files that are there, oldest first.
    pub files: Vec<PathBuf>,
}

/// A recording under way.
pub struct Output {
    path: PathBuf,
    plan: Plan,
    /// What files say that are not the last.
    meta: Meta,
    writer: Writer,
    /// Number of the file that is written, or will be by the next dump.
    number: u32,
    /// When this file was begun.
    begun: Instant,
    /// The file that is being closed.
    closing: Option<JoinHandle<Result<Summary>>>,
    written: Written,
    files: VecDeque<PathBuf>,
    /// Events of the files before.
    events_before: u64,
    /// CPU time of the files before.
    cpu_before_ns: u64,
}

impl Output {
    /// Begins a recording into `path`, and files numbered after it.
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
            begun: Instant::now(),
            closing: None,
            written: Written::default(),
            files: VecDeque::new(),
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

    /// As [`Writer::tick`]; also begins the next file when this one is large or old enough.
    ///
    /// # Errors
    /// As [`Writer::push`], or a file could not be closed or begun.
    pub fn tick(&mut self) -> Result<()> {
        self.writer.tick()?;
        if self.closing.as_ref().is_some_and(JoinHandle::is_finished) {
            self.wait()?;
        }
        let is_large = self.plan.rotate_bytes.is_some_and(|limit| self.writer.bytes() >= limit);
        let is_old = self.plan.rotate_age.is_some_and(|limit| self.begun.elapsed() >= limit);
        if (is_large || is_old) && self.writer.events() > 0 { self.rotate() } else { Ok(()) }
    }

    /// The file that is written now; of a flight recording, the one that has its partial directory.
    #[must_use]
    pub fn current_path(&self) -> PathBuf {
        let number = if self.plan.flight.is_some() { 0 } else { self.number };
        numbered(&self.path, number)
    }

    /// Events that were pushed.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events_before + self.writer.events()
    }

    /// Bytes on the disk, or of a flight recording those in memory.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.written.bytes + self.writer.bytes()
    }

    /// CPU time that encoding and writing took so far, but for closing this file, ns. Waits for what was pushed.
    ///
    /// # Errors
    /// As [`Writer::push`].
    pub fn cpu_ns(&mut self) -> Result<u64> {
        self.wait()?;
        self.writer.flush()?;
        // The time of a flight recording's dumps has that of all encoding before in it.
        let before_ns = if self.plan.flight.is_some() { 0 } else { self.cpu_before_ns };
        Ok(before_ns + self.writer.cpu_ns())
    }

    /// Writes what a flight recording holds as the next file, on a thread; its name. `end_ns`: the time of it.
    ///
    /// # Errors
    /// As [`Writer::push`], or the dump before could not be written.
    pub fn dump(&mut self, end_ns: u64) -> Result<PathBuf> {
        self.wait()?;
        let path = numbered(&self.path, self.number);
        self.number += 1;
        let held = self.writer.held()?;
        let meta = Meta { end_ns: Some(end_ns), ..self.meta.clone() };
        self.close(path.clone(), move |path| held.write(path, &meta))?;
        Ok(path)
    }

    /// Ends the recording; its last file carries `meta`.
    ///
    /// # Errors
    /// As [`Writer::finish`].
    pub fn finish(mut self, meta: &Meta) -> Result<Written> {
        self.wait()?;
        let path = numbered(&self.path, self.number);
        let meta = Meta { start_ns: self.meta.start_ns, part: self.meta.part, ..meta.clone() };
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

    fn rotate(&mut self) -> Result<()> {
        self.wait()?;
        let end_ns = self.writer.newest_ns();
        let meta = Meta { end_ns: Some(end_ns), ..self.meta.clone() };
        let path = numbered(&self.path, self.number);
        self.number += 1;
        self.meta.start_ns = end_ns;
        self.meta.part = Some(self.number);
        let next = Writer::create(&numbered(&self.path, self.number), &self.meta)?;
        self.events_before += self.writer.events();
        let done = std::mem::replace(&mut self.writer, next);
        self.begun = Instant::now();
        self.close(path, move |_| done.finish(&meta))
    }

    /// Has a file written on a thread.
    fn close(&mut self, path: PathBuf, write: impl FnOnce(&Path) -> Result<Summary> + Send + 'static) -> Result<()> {
        self.files.push_back(path.clone());
        let thread = thread::Builder::new().name("migtrace-close".to_owned());
        let named = path.clone();
        self.closing = Some(thread.spawn(move || write(&path)).map_err(Error::write(&named))?);
        Ok(())
    }

    /// Waits for the file that is being closed, then removes those that are too old.
    fn wait(&mut self) -> Result<()> {
        let Some(closing) = self.closing.take() else { return Ok(()) };
        let summary = closing.join().expect("closing a file does not panic")?;
        self.written.events += summary.events;
        self.written.bytes += summary.bytes;
        self.cpu_before_ns += summary.cpu_ns;
        let keep = self.plan.keep_files.map_or(usize::MAX, NonZeroUsize::get);
        // The file that is written now is one of them.
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
