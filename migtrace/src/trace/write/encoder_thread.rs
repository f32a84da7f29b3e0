//! The thread that encodes segments and writes them to the disk, so that the ring's reader waits for neither.

use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
};

use bytes::Bytes;

use super::segment;
use crate::{
    clock,
    trace::{
        error::{Error, Result},
        partial_dir::Partial,
        schema::Buffers,
    },
};

/// Maximum number of segments that wait for the encoder. Before encoding, each takes about 40 MB if no value repeats. If the
/// disk is slower, the caller waits; then the rings fill up, and events are counted as lost.
const QUEUE: usize = 2;

enum Message {
    /// The rows of a segment, and the time of the newest row.
    Segment(Box<Buffers>, u64),
    /// Send the segments in memory.
    Hold(SyncSender<Held>),
    /// Metadata, JSON, for segments from now on.
    Meta(String),
    /// Metadata, JSON, with the table of processes: for the segment without rows alone, as it can be large.
    Processes(String),
    /// Answer once all earlier messages are processed.
    Answer(SyncSender<()>),
}

/// Where complete segments go.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Keep {
    /// To the disk.
    All,
    /// To memory. A segment is evicted if it is older than `age_ns` against the newest event, or if all exceed `bytes`.
    Last { age_ns: u64, bytes: u64 },
}

/// Segments in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    /// Oldest first.
    pub(crate) segments: Vec<HeldSegment>,
    /// Rows that were evicted.
    pub(crate) evicted: u64,
}

impl Held {
    pub(crate) fn rows(&self) -> u64 {
        self.segments.iter().map(|segment| segment.rows).sum()
    }
}

/// The sending end. When dropped, it waits until the thread has processed all messages.
pub(crate) struct Encoder {
    sender: Option<SyncSender<Message>>,
    thread: Option<JoinHandle<Result<()>>>,
    /// Bytes of all segments on the disk or in memory.
    bytes: Arc<AtomicU64>,
    /// CPU time of the thread.
    cpu_ns: Arc<AtomicU64>,
    path: PathBuf,
}

impl Encoder {
    /// Starts the thread for the trace `path`, with `meta`, JSON, for its segments. It has the privileges that the caller has
    /// at that moment.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(crate) fn start(partial: Arc<Partial>, meta: String, path: &Path, keep: Keep) -> Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE);
        let (bytes, cpu_ns) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let worker = Worker {
            partial,
            meta,
            segments: 1,
            keep,
            held: VecDeque::new(),
            evicted: 0,
            bytes: bytes.clone(),
            cpu_ns: cpu_ns.clone(),
            path: path.to_owned(),
        };
        let thread = thread::Builder::new().name("migtrace-writer".to_owned()).spawn(move || worker.run(&receiver));
        let thread = thread.map_err(Error::write(path))?;
        Ok(Self { sender: Some(sender), thread: Some(thread), bytes, cpu_ns, path: path.to_owned() })
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// CPU time of the thread up to the last complete segment, ns.
    pub(crate) fn cpu_ns(&self) -> u64 {
        self.cpu_ns.load(Ordering::Relaxed)
    }

    /// Sends the rows of a segment; `newest_ns` is the time of the newest row. Blocks while [`QUEUE`] segments are waiting.
    ///
    /// # Errors
    /// Earlier rows could not be written.
    pub(crate) fn segment(&mut self, rows: Box<Buffers>, newest_ns: u64) -> Result<()> {
        self.send(Message::Segment(rows, newest_ns))
    }

    /// The segments in memory, once all that were sent are encoded.
    ///
    /// # Errors
    /// As [`Encoder::segment`].
    pub(crate) fn held(&mut self) -> Result<Held> {
        self.held_later()?.recv().map_err(|_| self.failure())
    }

    /// The same, to wait for. Nothing comes if the thread fails before.
    ///
    /// # Errors
    /// As [`Encoder::segment`].
    pub(crate) fn held_later(&mut self) -> Result<Receiver<Held>> {
        let (answer, held) = sync_channel(1);
        self.send(Message::Hold(answer))?;
        Ok(held)
    }

    /// Changes the metadata.
    ///
    /// # Errors
    /// As [`Encoder::segment`].
    pub(crate) fn set_meta(&mut self, meta: String) -> Result<()> {
        self.send(Message::Meta(meta))
    }

    /// Writes the segment without rows again, with this metadata.
    ///
    /// # Errors
    /// As [`Encoder::segment`].
    pub(crate) fn set_processes(&mut self, meta: String) -> Result<()> {
        self.send(Message::Processes(meta))
    }

    /// Waits until all that was sent is processed.
    ///
    /// # Errors
    /// As [`Encoder::segment`].
    pub(crate) fn wait(&mut self) -> Result<()> {
        let (answer, done) = sync_channel(1);
        self.send(Message::Answer(answer))?;
        done.recv().map_err(|_| self.failure())
    }

    fn send(&mut self, message: Message) -> Result<()> {
        let sent = self.sender.as_ref().is_some_and(|sender| sender.send(message).is_ok());
        if sent { Ok(()) } else { Err(self.failure()) }
    }

    /// Why the thread has ended. Only the first call returns the reason.
    fn failure(&mut self) -> Error {
        self.sender = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(Err(error))) => error,
            _ => Error::write(&self.path)(io::Error::other("stopped writing after an earlier error")),
        }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // Callers that need the error call `wait` first.
            let _ = thread.join();
        }
    }
}

/// The receiving end.
struct Worker {
    partial: Arc<Partial>,
    meta: String,
    /// Segments so far, including the one without rows.
    segments: u64,
    keep: Keep,
    held: VecDeque<HeldSegment>,
    evicted: u64,
    bytes: Arc<AtomicU64>,
    cpu_ns: Arc<AtomicU64>,
    path: PathBuf,
}

/// A complete file in memory.
#[derive(Clone, Debug)]
pub(crate) struct HeldSegment {
    pub(crate) bytes: Bytes,
    pub(crate) rows: u64,
    pub(crate) newest_ns: u64,
}

impl Worker {
    fn run(mut self, receiver: &Receiver<Message>) -> Result<()> {
        for message in receiver {
            match message {
                Message::Segment(rows, newest_ns) => self.write(*rows, newest_ns)?,
                Message::Hold(answer) => drop(answer.send(self.held())),
                Message::Meta(meta) => self.meta = meta,
                Message::Processes(meta) => segment::write_first(&self.partial, &meta, &self.path)?,
                // The receiver can be gone: then it needs no answer.
                Message::Answer(answer) => drop(answer.send(())),
            }
        }
        Ok(())
    }

    fn write(&mut self, mut rows: Buffers, newest_ns: u64) -> Result<()> {
        let bytes = segment::encode(&mut rows, &self.meta, &self.path)?;
        let rows = rows.rows() as u64;
        let size = bytes.len() as u64;
        match self.keep {
            Keep::All => {
                self.partial.write(&format!("{:06}.parquet", self.segments), &bytes)?;
                self.bytes.fetch_add(size, Ordering::Relaxed);
            }
            Keep::Last { age_ns, bytes: limit } => {
                self.bytes.fetch_add(size, Ordering::Relaxed);
                self.held.push_back(HeldSegment { bytes: bytes.into(), rows, newest_ns });
                self.evict(newest_ns.saturating_sub(age_ns), limit);
            }
        }
        self.segments += 1;
        self.cpu_ns.store(clock::thread_cpu_ns(), Ordering::Relaxed);
        Ok(())
    }

    /// Evicts segments that end before `from_ns`, and further ones while all exceed `limit` bytes. The newest one stays.
    fn evict(&mut self, from_ns: u64, limit: u64) {
        while self.held.len() > 1 {
            let oldest = &self.held[0];
            if oldest.newest_ns >= from_ns && self.bytes.load(Ordering::Relaxed) <= limit {
                break;
            }
            self.evicted += oldest.rows;
            self.bytes.fetch_sub(oldest.bytes.len() as u64, Ordering::Relaxed);
            self.held.pop_front();
        }
    }

    fn held(&self) -> Held {
        Held { segments: self.held.iter().cloned().collect(), evicted: self.evicted }
    }
}
