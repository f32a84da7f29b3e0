//! The events of a flight recording at one moment, on their way to a file.

use std::{path::Path, sync::Arc};

use super::{
    encoder_thread::{Held, HeldSegment},
    merge::{self, Summary},
};
use crate::{
    clock,
    recording::Meta,
    trace::{
        error::Result,
        parquet::container::Container,
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
        let segments = self.held.segments.iter().map(|segment| Container::in_memory(segment.bytes.clone(), path));
        let bytes = merge::join(segments, &self.partial.temporary(), path, &meta)?;
        Ok(Summary { events: self.held.rows(), bytes, cpu_ns: self.cpu_ns + clock::thread_cpu_ns() - began_ns })
    }

    /// Writes the events as segments of a recording that was cut off.
    pub(super) fn leave(self) -> Result<()> {
        let write = |(number, segment): (usize, &HeldSegment)| {
            self.partial.write(&format!("{:06}.parquet", number + 1), &segment.bytes)
        };
        self.held.segments.iter().enumerate().try_for_each(write)
    }
}
