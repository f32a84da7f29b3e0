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
};
use crate::{
    clock,
    event::Event,
    recording::Meta,
    trace::{
        error::Result,
        partial_dir::{self, Partial},
        row::from_event,
        schema::Buffers,
    },
};

/// Age of the oldest event at which a segment is closed. With the caller's ticks at most 250 ms apart, no event is more than
/// a second from the disk.
const SEGMENT_AGE: Duration = Duration::from_millis(700);
/// Rows at which a segment is closed before its time.
const SEGMENT_ROWS: usize = 1 << 18;
/// Bytes of different texts (stacks, names) at which a segment is closed before its time.
const SEGMENT_TEXT_BYTES: usize = 8 << 20;
/// Rows between two looks at whether the segment is due.
const ROWS_PER_TICK: usize = 1 << 12;

/// A trace that is being recorded. Encoding and the disk are a thread's, which the first segment starts.
///
/// Dropped without [`Writer::finish`], as when recording ends with an error, it leaves the partial directory with all that
/// was pushed, from which [`crate::trace::recover()`] makes a trace. Killed, it leaves the segments that were complete.
pub struct Writer {
    path: PathBuf,
    partial: Arc<Partial>,
    /// JSON of the metadata that segments carry, until the encoder has it.
    meta: String,
    /// Rows since the last segment.
    buffers: Box<Buffers>,
    encoder: Option<Encoder>,
    keep: Keep,
    /// [`SEGMENT_AGE`].
    segment_age: Duration,
    /// Time of the newest event, ns.
    newest_ns: u64,
    /// When the first row since the last segment came.
    oldest: Option<Instant>,
    events: u64,
}

impl Writer {
    /// Begins a trace that will be `path`. A regular file of that name stays as it is until [`Writer::finish`].
    ///
    /// # Errors
    /// `path` is something else than a regular file; a recording into `path` goes on or did not end; the directory cannot be
    /// written to.
    pub fn create(path: &Path, meta: &Meta) -> Result<Self> {
        Self::create_keeping(path, meta, Keep::All)
    }

    /// Begins a flight recording, which keeps its last events in memory until they are wanted: those of the last `age`, and
    /// about a second more, unless they take more than `bytes`. What is older is let go, and counted.
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
        // Without rows: a recording says what it is from its first moment, and a disk that cannot be written to is found now.
        partial.write("000000.parquet", &segment::encode(&mut Buffers::default(), &meta, path)?)?;
        Ok(Self {
            path: path.to_owned(),
            partial: Arc::new(partial),
            meta,
            buffers: Box::default(),
            encoder: None,
            keep,
            segment_age: SEGMENT_AGE,
            newest_ns: 0,
            oldest: None,
            events: 0,
        })
    }

    /// Adds an event. Events should come in the order of their time; the file keeps the order they came in. Waits when the
    /// disk is far behind.
    ///
    /// # Errors
    /// A segment could not be written. The trace up to the last complete segment stays readable.
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

    /// Closes the segment when it is due, without waiting for it; to be called at least four times a second, whether or not
    /// events come.
    ///
    /// # Errors
    /// As [`Writer::push`].
    pub fn tick(&mut self) -> Result<()> {
        let is_large = self.buffers.rows() >= SEGMENT_ROWS || self.buffers.text_bytes() >= SEGMENT_TEXT_BYTES;
        if is_large || self.oldest.is_some_and(|t| t.elapsed() >= self.segment_age) {
            self.close()?;
        }
        Ok(())
    }

    /// Closes the segment now: when this returns, every event pushed so far is on the disk.
    ///
    /// # Errors
    /// As [`Writer::push`].
    pub fn flush(&mut self) -> Result<()> {
        self.close()?;
        self.encoder.as_mut().map_or(Ok(()), Encoder::wait)
    }

    /// Metadata for the segments that begin from now on: what a recovered trace says about itself is what its last segment
    /// says.
    ///
    /// # Errors
    /// The metadata cannot be JSON, or as [`Writer::push`].
    pub fn set_meta(&mut self, meta: &Meta) -> Result<()> {
        self.meta = meta_json(meta, &self.path)?;
        self.encoder.as_mut().map_or(Ok(()), |encoder| encoder.set_meta(self.meta.clone()))
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

    /// Time of the newest event, ns; 0 of none.
    #[must_use]
    pub fn newest_ns(&self) -> u64 {
        self.newest_ns
    }

    /// Bytes of all complete segments so far; of a flight recording, of those in memory.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.encoder.as_ref().map_or(0, Encoder::bytes)
    }

    /// Joins the segments into the one file, which carries `meta`, and removes the partial directory.
    ///
    /// # Errors
    /// The file cannot be written. The partial directory stays as it is.
    pub fn finish(mut self, meta: &Meta) -> Result<Summary> {
        if matches!(self.keep, Keep::Last { .. }) {
            let path = self.path.clone();
            let summary = self.held()?.write(&path, meta)?;
            self.discard()?;
            return Ok(summary);
        }
        self.flush()?;
        let began_ns = clock::thread_cpu_ns();
        let bytes =
            merge::join(&partial_dir::segments(&self.partial.dir)?, &self.partial.temporary(), &self.path, meta)?;
        self.partial.remove()?;
        Ok(Summary { events: self.events, bytes, cpu_ns: self.cpu_ns() + clock::thread_cpu_ns() - began_ns })
    }

    /// Ends a flight recording whose last events nobody wants any more.
    ///
    /// # Errors
    /// The partial directory cannot be removed.
    pub fn discard(mut self) -> Result<()> {
        self.keep = Keep::All;
        self.partial.remove()
    }

    /// What a flight recording holds at this moment, to be written while it goes on.
    ///
    /// # Errors
    /// As [`Writer::push`].
    pub fn held(&mut self) -> Result<Dump> {
        self.close()?;
        let held = self.encoder.as_mut().map_or_else(|| Ok(Held::default()), Encoder::held)?;
        Ok(Dump::new(held, self.partial.clone(), self.cpu_ns()))
    }

    /// Lets segments become as old as `age`, so that a test does not depend on how fast the machine is.
    #[cfg(test)]
    pub(crate) fn set_segment_age(&mut self, age: Duration) {
        self.segment_age = age;
    }

    /// Hands the rows since the last segment to the encoder.
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
        encoder.segment(rows, self.newest_ns)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // After `finish` there is nothing left to do; otherwise an error is on its way already.
        let _ = match self.keep {
            Keep::All => self.flush(),
            Keep::Last { .. } => self.held().and_then(Dump::leave),
        };
    }
}
