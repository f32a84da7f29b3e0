//! The thread that turns batches into segments on the disk, so that whoever reads the ring waits for neither.

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

/// RequestedRanges that wait for the encoder, at most: what is not encoded yet takes some 40 MB each where nothing repeats. When
/// the disk is slower than that, the caller waits; the kernel's rings fill up then, and count what they refuse.
const QUEUE: usize = 2;

enum Message {
    /// The rows of a segment, and the time of the newest one.
    Segment(Box<Buffers>, u64),
    /// Tell what is held.
    Hold(SyncSender<Held>),
    /// Metadata, JSON, for the segments that begin from now on.
    Meta(String),
    /// Answer when all before is done.
    Answer(SyncSender<()>),
}

/// What becomes of complete segments.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Keep {
    /// They go to the disk.
    All,
    /// They stay in memory, until they are older than that against the newest event, ns, or all take more bytes.
    Last { age_ns: u64, bytes: u64 },
}

/// RequestedRanges in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    /// Each a whole file, oldest first.
    pub(crate) segments: Vec<Bytes>,
    pub(crate) rows: u64,
    /// Rows that were let go.
    pub(crate) evicted: u64,
}

/// The sending end. Dropped, it lets the thread finish what it was sent.
pub(crate) struct Encoder {
    sender: Option<SyncSender<Message>>,
    thread: Option<JoinHandle<Result<()>>>,
    /// Bytes of all segments on the disk, or that are held.
    bytes: Arc<AtomicU64>,
    /// CPU time of the thread.
    cpu_ns: Arc<AtomicU64>,
    path: PathBuf,
}

impl Encoder {
    /// Starts the thread for the trace `path`, with `meta`, JSON, for its segments. It has the privileges that its caller
    /// has at that moment.
    ///
    /// # Errors
    /// No thread can be started.
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

    /// CPU time of the thread up to the last segment that it closed, ns.
    pub(crate) fn cpu_ns(&self) -> u64 {
        self.cpu_ns.load(Ordering::Relaxed)
    }

    /// Hands over the rows of a segment, the newest of which is of the time `newest_ns`; waits while [`QUEUE`] segments wait.
    ///
    /// # Errors
    /// Earlier rows could not be written.
    pub(crate) fn segment(&mut self, rows: Box<Buffers>, newest_ns: u64) -> Result<()> {
        self.send(Message::Segment(rows, newest_ns))
    }

    /// The segments that are held, once all that was handed over is done.
    ///
    /// # Errors
    /// As [`Encoder::segment`].
    pub(crate) fn held(&mut self) -> Result<Held> {
        let (answer, held) = sync_channel(1);
        self.send(Message::Hold(answer))?;
        held.recv().map_err(|_| self.failure())
    }

    /// Changes the metadata.
    ///
    /// # Errors
    /// As [`Encoder::segment`].
    pub(crate) fn set_meta(&mut self, meta: String) -> Result<()> {
        self.send(Message::Meta(meta))
    }

    /// Waits until all that was handed over is done.
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

    /// Why the thread has ended; once it was told, only that it has.
    fn failure(&mut self) -> Error {
        self.sender = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(Err(error))) => error,
            _ => Error::write(&self.path)(io::Error::other("an earlier error has ended the writing")),
        }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // Who wants the error asks before.
            let _ = thread.join();
        }
    }
}

/// The receiving end.
struct Worker {
    partial: Arc<Partial>,
    meta: String,
    /// RequestedRanges so far, the one without rows included.
    segments: u64,
    keep: Keep,
    held: VecDeque<HeldSegment>,
    evicted: u64,
    bytes: Arc<AtomicU64>,
    cpu_ns: Arc<AtomicU64>,
    path: PathBuf,
}

struct HeldSegment {
    bytes: Bytes,
    rows: u64,
    newest_ns: u64,
}

impl Worker {
    fn run(mut self, receiver: &Receiver<Message>) -> Result<()> {
        for message in receiver {
            match message {
                Message::Segment(rows, newest_ns) => self.write(*rows, newest_ns)?,
                Message::Hold(answer) => drop(answer.send(self.held())),
                Message::Meta(meta) => self.meta = meta,
                // One who does not wait any more needs no answer.
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

    /// Lets go of segments that end before `from_ns`, and of more while all take more than `limit` bytes; the newest stays.
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
        Held {
            segments: self.held.iter().map(|s| s.bytes.clone()).collect(),
            rows: self.held.iter().map(|s| s.rows).sum(),
            evicted: self.evicted,
        }
    }
}
