//! Writes a trace while it is recorded: a segment at least once a second, one file at the end.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    dump::Dump,
    encoder_thread::{Encoder, Held, Keep},
    merge::{self, Summary},
    segment::{self, meta_json},
    snapshot::Snapshot,
};
use crate::{
    clock,
    event::Event,
    recording::Meta,
    trace::{
        error::Result,
        parquet::container::Container,
        partial_dir::{self, Partial},
        row::from_event,
        schema::Buffers,
    },
};

/// Age of the oldest event at which a segment is closed. The caller ticks at least every 250 ms, so every event is on the
/// disk within a second.
const SEGMENT_AGE: Duration = Duration::from_millis(700);
/// Number of rows at which a segment is closed early.
const SEGMENT_ROWS: usize = 1 << 18;
/// Bytes of different texts (stacks, names) at which a segment is closed early.
const SEGMENT_TEXT_BYTES: usize = 8 << 20;
/// Rows between two checks whether the segment is due.
const ROWS_PER_TICK: usize = 1 << 12;

/// Writes a trace while it is recorded. A thread, started by the first segment, encodes and writes.
///
/// If it is dropped without [`Writer::finish`], as after an error, the partial directory has all pushed events, from which [`crate::trace::recover()`] makes a trace. If the process is killed, the complete segments are left.
pub struct Writer {
    path: PathBuf,
    partial: Arc<Partial>,
    /// JSON of the segments' metadata, until the encoder has it.
    meta: String,
    /// The same with the table of processes, if that changed since the last segment.
    processes: Option<String>,
    /// Rows since the last segment.
    buffers: Box<Buffers>,
    encoder: Option<Encoder>,
    keep: Keep,
    /// [`SEGMENT_AGE`].
    segment_age: Duration,
    /// Time of the newest event, ns.
    newest_ns: u64,
    /// When the first row since the last segment was pushed.
    oldest: Option<Instant>,
    events: u64,
}

impl Writer {
    /// Starts a trace that will be `path`. A regular file of that name stays unchanged until [`Writer::finish`].
    ///
    /// # Errors
    /// `path` exists and is not a regular file; a recording to `path` is running or was cut off; the directory is not writable.
    pub fn create(path: &Path, meta: &Meta) -> Result<Self> {
        Self::create_keeping(path, meta, Keep::All)
    }

    /// Starts a flight recording, which keeps the last events in memory until they are requested. It keeps those of the
    /// last `age`, and about a second more, unless they take more than `bytes`. Older events are evicted, and counted.
    ///
    /// # Errors
    /// As [`Writer::create`].
    pub fn create_flight(path: &Path, meta: &Meta, age: Duration, bytes: u64) -> Result<Self> {
        let age_ns = u64::try_from(age.as_nanos()).unwrap_or(u64::MAX);
        Self::create_keeping(path, meta, Keep::Last { age_ns, bytes })
    }

    fn create_keeping(path: &Path, meta: &Meta, keep: Keep) -> Result<Self> {
        partial_dir::check_target(path)?;
        let meta = meta_json(meta, path)?;
        let partial = Partial::create(path)?;
        // Without rows: the metadata is on the disk from the start, and a disk that is not writable is found now.
        segment::write_first(&partial, &meta, path)?;
        Ok(Self {
            path: path.to_owned(),
            partial: Arc::new(partial),
            meta,
            processes: None,
            buffers: Box::default(),
            encoder: None,
            keep,
            segment_age: SEGMENT_AGE,
            newest_ns: 0,
            oldest: None,
            events: 0,
        })
    }

    /// Adds an event. Events should be pushed in the order of time; the file keeps the order of pushing. Blocks if the disk is
    /// far behind.
    ///
    /// # Errors
    /// A segment could not be written. The trace stays readable up to the last complete segment.
    pub fn push(&mut self, event: &Event) -> Result<()> {
        from_event::append(&mut self.buffers, event);
        self.events += 1;
        self.newest_ns = self.newest_ns.max(event.ts_ns);
        if self.oldest.is_none() {
            self.oldest = Some(Instant::now());
        }
        if self.buffers.rows().is_multiple_of(ROWS_PER_TICK) {
            self.tick()?;
        }
        Ok(())
    }

    /// Closes the segment if it is due, without waiting for it. To be called at least four times a second, also without
    /// events.
    ///
    /// # Errors
    /// As [`Writer::push`].
    pub fn tick(&mut self) -> Result<()> {
        if self.is_due() { self.close() } else { Ok(()) }
    }

    /// Whether the next tick closes the segment.
    #[must_use]
    pub fn is_due(&self) -> bool {
        let is_large = self.buffers.rows() >= SEGMENT_ROWS || self.buffers.text_bytes() >= SEGMENT_TEXT_BYTES;
        is_large || self.oldest.is_some_and(|t| t.elapsed() >= self.segment_age)
    }

    /// Closes the segment now. When this returns, every event pushed so far is on the disk.
    ///
    /// # Errors
    /// As [`Writer::push`].
    pub fn flush(&mut self) -> Result<()> {
        self.close()?;
        self.encoder.as_mut().map_or(Ok(()), Encoder::wait)
    }

    /// Sets the metadata of segments from now on. A recovered trace has the metadata of its last segment.
    ///
    /// # Errors
    /// The metadata cannot be written as JSON, or as [`Writer::push`].
    pub fn set_meta(&mut self, meta: &Meta) -> Result<()> {
        self.meta = meta_json(meta, &self.path)?;
        self.encoder.as_mut().map_or(Ok(()), |encoder| encoder.set_meta(self.meta.clone()))
    }

    /// Sets the metadata that has the table of processes. It is on the disk with the next segment. Of a recording that was cut
    /// off, a reader takes the table from there.
    ///
    /// # Errors
    /// The metadata cannot be written as JSON.
    pub fn set_processes(&mut self, meta: &Meta) -> Result<()> {
        if matches!(self.keep, Keep::All) {
            self.processes = Some(meta_json(meta, &self.path)?);
        }
        Ok(())
    }

    /// Events pushed so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// CPU time of the thread that encodes and writes, up to the last complete segment, ns.
    #[must_use]
    pub fn cpu_ns(&self) -> u64 {
        self.encoder.as_ref().map_or(0, Encoder::cpu_ns)
    }

    /// Time of the newest event, ns; 0 if there is none.
    #[must_use]
    pub fn newest_ns(&self) -> u64 {
        self.newest_ns
    }

    /// Bytes of all complete segments so far; of a flight recording, of those in memory.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.encoder.as_ref().map_or(0, Encoder::bytes)
    }

    /// Joins the segments into one file with the metadata `meta`, and removes the partial directory.
    ///
    /// # Errors
    /// The file cannot be written. The partial directory stays unchanged.
    pub fn finish(mut self, meta: &Meta) -> Result<Summary> {
        if matches!(self.keep, Keep::Last { .. }) {
            let path = self.path.clone();
            let summary = self.held()?.write(&path, meta)?;
            self.discard()?;
            return Ok(summary);
        }
        self.flush()?;
        let began_ns = clock::thread_cpu_ns();
        let segments = partial_dir::segments(&self.partial.dir)?;
        let segments = segments.iter().map(|path| Container::open(path));
        let bytes = merge::join(segments, &self.partial.temporary(), &self.path, meta)?;
        self.partial.remove()?;
        Ok(Summary { events: self.events, bytes, cpu_ns: self.cpu_ns() + clock::thread_cpu_ns() - began_ns })
    }

    /// Ends a flight recording without writing its last events.
    ///
    /// # Errors
    /// The partial directory cannot be removed.
    pub fn discard(mut self) -> Result<()> {
        self.keep = Keep::All;
        self.partial.remove()
    }

    /// The events that a flight recording has in memory now, to be written while it continues.
    ///
    /// # Errors
    /// As [`Writer::push`].
    pub fn held(&mut self) -> Result<Dump> {
        self.close()?;
        let held = self.encoder.as_mut().map_or_else(|| Ok(Held::default()), Encoder::held)?;
        Ok(Dump::new(held, self.partial.clone(), self.cpu_ns()))
    }

    /// As [`Writer::held`], without waiting for segments that are still to be encoded: who takes the snapshot waits.
    ///
    /// # Errors
    /// As [`Writer::push`].
    pub fn snapshot(&mut self, meta: Meta) -> Result<Snapshot> {
        self.close()?;
        let held = self.encoder.as_mut().map(Encoder::held_later).transpose()?;
        Ok(Snapshot::new(held, meta, self.path.clone()))
    }

    /// Sets the age at which segments are closed, so that a test does not depend on the machine's speed.
    #[cfg(test)]
    pub(crate) fn set_segment_age(&mut self, age: Duration) {
        self.segment_age = age;
    }

    /// Sends the rows since the last segment to the encoder.
    fn close(&mut self) -> Result<()> {
        self.oldest = None;
        if self.buffers.rows() == 0 {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.buffers);
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            None => {
                let encoder = Encoder::start(self.partial.clone(), self.meta.clone(), &self.path, self.keep)?;
                self.encoder.insert(encoder)
            }
        };
        if let Some(meta) = self.processes.take() {
            encoder.set_processes(meta)?;
        }
        encoder.segment(rows, self.newest_ns)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // After `finish` there is nothing to do; otherwise the caller has an error already.
        let _ = match self.keep {
            Keep::All => self.flush(),
            Keep::Last { .. } => self.held().and_then(Dump::leave),
        };
    }
}
