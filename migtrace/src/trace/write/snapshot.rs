//! The events of a flight recording at one moment, on their way to a reader: a whole trace that is on no disk.

use std::{
    io::{self, Write},
    path::PathBuf,
    sync::mpsc::Receiver,
    time::Duration,
};

use bytes::Bytes;

use super::{encoder_thread::Held, join::Join, segment};
use crate::{
    recording::Meta,
    trace::{
        error::{Error, Result},
        parquet::container::Container,
    },
};

/// Bytes that are sent at once, at least.
const CHUNK: usize = 64 << 10;

/// The events that a flight recording had in memory at one moment, as soon as they are encoded.
pub struct Snapshot {
    /// `None`: there were no events.
    held: Option<Receiver<Held>>,
    meta: Meta,
    /// The recording's trace, for errors.
    path: PathBuf,
}

impl Snapshot {
    pub(super) fn new(held: Option<Receiver<Held>>, meta: Meta, path: PathBuf) -> Self {
        Self { held, meta, path }
    }

    /// Sends a trace of the last events, at most `last` old, piece by piece. Blocks while events are encoded and while `send`
    /// blocks. Older events count as evicted.
    ///
    /// # Errors
    /// The recording failed, or `send` did: then what was sent is no whole trace.
    pub fn stream(self, last: Option<Duration>, send: impl FnMut(Bytes) -> io::Result<()> + Send) -> Result<()> {
        let failed = || Error::write(&self.path)(io::Error::other("the recording has ended"));
        let held = self.held.map_or_else(|| Ok(Held::default()), |held| held.recv().map_err(|_| failed()))?;
        let last_ns = last.map_or(u64::MAX, |last| u64::try_from(last.as_nanos()).unwrap_or(u64::MAX));
        let from_ns = self.meta.end_ns.unwrap_or(0).saturating_sub(last_ns);
        let (old, new): (Vec<_>, Vec<_>) = held.segments.into_iter().partition(|segment| segment.newest_ns < from_ns);
        let evicted = held.evicted + old.iter().map(|segment| segment.rows).sum::<u64>();
        let meta = Meta { evicted: Some(evicted), ..self.meta };

        let mut join = Join::new(Outgoing { waiting: Vec::new(), send }, &self.path, from_ns)?;
        for segment in new {
            join.add(&Container::in_memory(segment.bytes, &self.path)?)?;
            join.written().send_chunk(CHUNK).map_err(Error::write(&self.path))?;
        }
        // All that waits from here on includes the footer.
        let mut out = join.finish(&meta)?;
        segment::seal(&mut out.waiting);
        out.send_chunk(1).map_err(Error::write(&self.path))
    }
}

/// What was written and is not sent yet.
struct Outgoing<F> {
    waiting: Vec<u8>,
    send: F,
}

impl<F: FnMut(Bytes) -> io::Result<()>> Outgoing<F> {
    /// Sends what waits, if it is at least so many bytes.
    fn send_chunk(&mut self, least: usize) -> io::Result<()> {
        if self.waiting.len() < least {
            return Ok(());
        }
        (self.send)(std::mem::take(&mut self.waiting).into())
    }
}

impl<F> Write for Outgoing<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
