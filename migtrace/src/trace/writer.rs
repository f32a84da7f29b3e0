//! Writes a trace while it is recorded: a segment at least once a second, one file at the end.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    encode,
    encoder::Encoder,
    error::{Error, Result},
    join,
    meta::Meta,
    partial::{self, Partial},
    schema::Buffers,
    segment::Segment,
};
use crate::event::Event;

/// Age of the oldest event at which a segment is closed. With the caller's ticks at most 250 ms apart, no event is more than
/// a second from the disk.
const SEGMENT_AGE: Duration = Duration::from_millis(700);
/// Rows at which a segment is closed before its time: at 16 bytes a row this bounds what is buffered to some 4 MB.
const SEGMENT_ROWS: usize = 1 << 18;
/// Rows handed to the encoder at once.
const BATCH_ROWS: usize = 1 << 12;

/// What a finished trace holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    pub events: u64,
    /// Size of the file.
    pub bytes: u64,
}

/// A trace that is being recorded. Encoding and the disk are a thread's, which the first batch starts.
///
/// Dropped without [`Writer::finish`], as when recording ends with an error, it leaves the partial directory with all that
/// was pushed, from which [`super::recover()`] makes a trace. Killed, it leaves the segments that were complete.
pub struct Writer {
    path: PathBuf,
    partial: Arc<Partial>,
    /// JSON of the metadata that segments carry, until the encoder has it.
    meta: String,
    buffers: Buffers,
    encoder: Option<Encoder>,
    /// [`SEGMENT_AGE`].
    segment_age: Duration,
    /// When the first row since the last segment came.
    oldest: Option<Instant>,
    /// Rows since the last segment that the encoder has.
    segment_rows: usize,
    events: u64,
}

impl Writer {
    /// Begins a trace that will be `path`. A regular file of that name stays as it is until [`Writer::finish`].
    ///
    /// # Errors
    /// `path` is something else than a regular file; a recording into `path` goes on or did not end; the directory cannot be
    /// written to.
    pub fn create(path: &Path, meta: &Meta) -> Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(there) if !there.is_file() => return Err(Error::NotRegular { path: path.to_owned() }),
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(Error::write(path)(e)),
            _ => {}
        }
        let meta = to_json(meta, path)?;
        let partial = Partial::create(path)?;
        // Without rows: a recording says what it is from its first moment, and a disk that cannot be written to is found now.
        partial.write("000000.parquet", &Segment::new(&meta, path)?.finish()?)?;
        Ok(Self {
            path: path.to_owned(),
            partial: Arc::new(partial),
            meta,
            buffers: Buffers::default(),
            encoder: None,
            segment_age: SEGMENT_AGE,
            oldest: None,
            segment_rows: 0,
            events: 0,
        })
    }

    /// Adds an event. Events should come in the order of their time; the file keeps the order they came in. Waits when the
    /// disk is far behind.
    ///
    /// # Errors
    /// A segment could not be written. The trace up to the last complete segment stays readable.
    pub fn push(&mut self, event: &Event) -> Result<()> {
        encode::append(&mut self.buffers, event);
        self.events += 1;
        if self.oldest.is_none() {
            self.oldest = Some(Instant::now());
        }
        if self.buffers.rows() == BATCH_ROWS {
            self.hand_over()?;
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
        let rows = self.segment_rows + self.buffers.rows();
        if rows >= SEGMENT_ROWS || self.oldest.is_some_and(|t| t.elapsed() >= self.segment_age) {
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
        self.meta = to_json(meta, &self.path)?;
        self.encoder.as_mut().map_or(Ok(()), |encoder| encoder.set_meta(self.meta.clone()))
    }

    /// Events pushed so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Bytes of all complete segments so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.encoder.as_ref().map_or(0, Encoder::bytes)
    }

    /// Joins the segments into the one file, which carries `meta`, and removes the partial directory.
    ///
    /// # Errors
    /// The file cannot be written. The partial directory stays as it is.
    pub fn finish(mut self, meta: &Meta) -> Result<Summary> {
        self.flush()?;
        let bytes = join::join(&partial::segments(&self.partial.dir)?, &self.partial.temporary(), &self.path, meta)?;
        self.partial.remove()?;
        Ok(Summary { events: self.events, bytes })
    }

    /// Lets segments become as old as `age`, so that a test does not depend on how fast the machine is.
    #[cfg(test)]
    pub(super) fn set_segment_age(&mut self, age: Duration) {
        self.segment_age = age;
    }

    fn close(&mut self) -> Result<()> {
        self.hand_over()?;
        self.oldest = None;
        self.segment_rows = 0;
        self.encoder.as_mut().map_or(Ok(()), Encoder::close)
    }

    /// Hands the buffered rows to the encoder.
    fn hand_over(&mut self) -> Result<()> {
        if self.buffers.rows() == 0 {
            return Ok(());
        }
        let batch = self.buffers.take().map_err(|e| Error::encode(&self.path)(e.into()))?;
        self.segment_rows += batch.num_rows();
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            None => self.encoder.insert(Encoder::start(self.partial.clone(), self.meta.clone(), &self.path)?),
        };
        encoder.rows(batch)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // After `finish` there is nothing left to do; otherwise an error is on its way already.
        let _ = self.flush();
    }
}

/// `meta` as the text that goes into a file.
pub(super) fn to_json(meta: &Meta, path: &Path) -> Result<String> {
    serde_json::to_string(meta).map_err(|e| Error::write(path)(e.into()))
}
