//! Writes one of the job's output streams without waiting for its reader.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use anyhow::{Context, Result};
use nix::errno::Errno;

/// Bytes that can be written without waiting to a pipe that polls writable (PIPE_BUF).
const STEP: usize = 4096;
/// Bytes that are buffered before the guest has to wait.
const FULL: usize = 1 << 20;

/// A descriptor, and the data that is not written to it yet.
pub(super) struct Sink {
    fd: OwnedFd,
    waiting: Vec<u8>,
    /// Bytes of `waiting` that are written.
    written: usize,
    closed: bool,
}

impl Sink {
    /// Returns a sink that writes to a copy of `fd`.
    pub(super) fn to(fd: impl AsFd) -> Result<Sink> {
        let fd = fd.as_fd().try_clone_to_owned().context("cannot duplicate an output stream")?;
        Ok(Sink { fd, waiting: Vec::new(), written: 0, closed: false })
    }

    /// Buffers more data, or discards it if the reader is gone.
    pub(super) fn push(&mut self, data: &[u8]) {
        if !self.closed {
            self.waiting.extend_from_slice(data);
        }
    }

    /// Returns whether data is buffered.
    pub(super) fn pending(&self) -> bool {
        self.written < self.waiting.len()
    }

    /// Returns whether too much data is buffered.
    pub(super) fn full(&self) -> bool {
        self.waiting.len() - self.written > FULL
    }

    /// Writes a part. The descriptor must poll writable. Fails once if the reader is gone.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let part = &self.waiting[self.written..];
        match nix::unistd::write(&self.fd, &part[..part.len().min(STEP)]) {
            Ok(length) => {
                self.written += length;
                if !self.pending() {
                    self.waiting.clear();
                    self.written = 0;
                }
                Ok(())
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(()),
            Err(error) => {
                self.closed = true;
                self.waiting.clear();
                self.written = 0;
                Err(error.into())
            }
        }
    }
}

impl AsFd for Sink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn everything_pushed_arrives_in_order() {
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let mut sink = Sink::to(&writer).expect("a copy");
        drop(writer);
        let data: Vec<u8> = (0..20_000u32).flat_map(u32::to_le_bytes).take(STEP * 5 + 17).collect();
        sink.push(&data);
        while sink.pending() {
            sink.flush().expect("room in the pipe");
        }
        drop(sink);
        let mut seen = Vec::new();
        reader.read_to_end(&mut seen).expect("all of it");
        assert_eq!(seen, data);
    }

    #[test]
    fn a_closed_reader_is_reported_once() {
        let (reader, writer) = io::pipe().expect("a pipe");
        let mut sink = Sink::to(&writer).expect("a copy");
        drop(reader);
        sink.push(b"unread");
        assert!(sink.flush().is_err());
        sink.push(b"more");
        assert!(!sink.pending() && !sink.full());
    }
}
