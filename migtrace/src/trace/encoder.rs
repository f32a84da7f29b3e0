//! The thread that turns batches into segments on the disk, so that whoever reads the ring waits for neither.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
};

use arrow::array::RecordBatch;

use super::{
    error::{Error, Result},
    partial::Partial,
    segment::Segment,
};

/// Batches that wait for the encoder, at most. When the disk is slower than that, the caller waits; the kernel's rings fill
/// up then, and count what they refuse.
const QUEUE: usize = 32;

enum Message {
    Rows(RecordBatch),
    /// Close the segment, if there are rows in it.
    Close,
    /// Metadata, JSON, for the segments that begin from now on.
    Meta(String),
    /// Answer when all before is done.
    Answer(SyncSender<()>),
}

/// The sending end. Dropped, it lets the thread finish what it was sent, except for a segment that was not closed.
pub(super) struct Encoder {
    sender: Option<SyncSender<Message>>,
    thread: Option<JoinHandle<Result<()>>>,
    /// Bytes of all segments on the disk.
    bytes: Arc<AtomicU64>,
    path: PathBuf,
}

impl Encoder {
    /// Starts the thread for the trace `path`, with `meta`, JSON, for its segments. It has the privileges that its caller
    /// has at that moment.
    ///
    /// # Errors
    /// No thread can be started.
    pub(super) fn start(partial: Arc<Partial>, meta: String, path: &Path) -> Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE);
        let bytes = Arc::new(AtomicU64::new(0));
        let worker = Worker { partial, meta, segment: None, segments: 1, bytes: bytes.clone(), path: path.to_owned() };
        let thread = thread::Builder::new().name("migtrace-writer".to_owned()).spawn(move || worker.run(&receiver));
        let thread = thread.map_err(Error::write(path))?;
        Ok(Self { sender: Some(sender), thread: Some(thread), bytes, path: path.to_owned() })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Hands over rows; waits while [`QUEUE`] batches wait.
    ///
    /// # Errors
    /// Earlier rows could not be written.
    pub(super) fn rows(&mut self, batch: RecordBatch) -> Result<()> {
        self.send(Message::Rows(batch))
    }

    /// Closes the segment, without waiting for it.
    ///
    /// # Errors
    /// As [`Encoder::rows`].
    pub(super) fn close(&mut self) -> Result<()> {
        self.send(Message::Close)
    }

    /// Changes the metadata.
    ///
    /// # Errors
    /// As [`Encoder::rows`].
    pub(super) fn set_meta(&mut self, meta: String) -> Result<()> {
        self.send(Message::Meta(meta))
    }

    /// Waits until all that was handed over is done.
    ///
    /// # Errors
    /// As [`Encoder::rows`].
    pub(super) fn wait(&mut self) -> Result<()> {
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
    segment: Option<Segment>,
    /// Segments so far, the one without rows included.
    segments: u64,
    bytes: Arc<AtomicU64>,
    path: PathBuf,
}

impl Worker {
    fn run(mut self, receiver: &Receiver<Message>) -> Result<()> {
        for message in receiver {
            match message {
                Message::Rows(batch) => self.write(&batch)?,
                Message::Close => self.close()?,
                Message::Meta(meta) => self.meta = meta,
                // One who does not wait any more needs no answer.
                Message::Answer(answer) => drop(answer.send(())),
            }
        }
        Ok(())
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let segment = match &mut self.segment {
            Some(segment) => segment,
            None => self.segment.insert(Segment::new(&self.meta, &self.path)?),
        };
        segment.write(batch)
    }

    fn close(&mut self) -> Result<()> {
        let Some(segment) = self.segment.take() else { return Ok(()) };
        let bytes = segment.finish()?;
        self.partial.write(&format!("{:06}.parquet", self.segments), &bytes)?;
        self.segments += 1;
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}
