//! The events of a flight recording at one moment, on their way to a file.

use std::{fs, path::Path, sync::Arc};

use bytes::Bytes;

use super::{
    encoder_thread::Held,
    merge::{self, Summary},
};
use crate::{
    clock,
    recording::Meta,
    trace::{
        error::{Error, Result},
        partial_dir::{self, Partial},
    },
};

/// The events that a flight recording had in memory at one moment.
pub struct Dump {
    held: Held,
    partial: Arc<Partial>,
    /// CPU time of encoding up to that moment.
    cpu_ns: u64,
}

impl Dump {
    pub(super) fn new(held: Held, partial: Arc<Partial>, cpu_ns: u64) -> Self {
        Self { held, partial, cpu_ns }
    }

    /// Writes the trace `path`, on the same disk as the recording's own trace; one dump after the other. Adds the number of
    /// evicted events to the metadata.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(self, path: &Path, meta: &Meta) -> Result<Summary> {
        partial_dir::check_target(path)?;
        let began_ns = clock::thread_cpu_ns();
        let meta = Meta { evicted: Some(self.held.evicted), ..meta.clone() };
        let mut files = Vec::new();
        for (number, segment) in self.held.segments.iter().enumerate() {
            let name = format!("held-{number}");
            self.partial.write(&name, segment)?;
            files.push(self.partial.dir.join(name));
        }
        let bytes = merge::join(&files, &self.partial.temporary(), path, &meta)?;
        files.iter().try_for_each(fs::remove_file).map_err(Error::write(&self.partial.dir))?;
        Ok(Summary { events: self.held.rows, bytes, cpu_ns: self.cpu_ns + clock::thread_cpu_ns() - began_ns })
    }

    /// Writes the events as segments of a recording that was cut off.
    pub(super) fn leave(self) -> Result<()> {
        let write = |(number, bytes): (usize, &Bytes)| self.partial.write(&format!("{:06}.parquet", number + 1), bytes);
        self.held.segments.iter().enumerate().try_for_each(write)
    }
}
