//! A live source of events: the programs in the running kernel, and the reader of their ring.

use thiserror::Error;

use crate::{
    event::Event,
    probe::{
        kernel::Kernel,
        load::{LoadError, Loaded, Options},
        machine,
        names::Names,
        offsets,
        support::{self, Unsupported},
        topology,
    },
    ring::{
        clock,
        reader::{Closing, Reader},
    },
    trace::meta::{FORMAT_VERSION, Meta},
};

/// Why tracing cannot begin, or went wrong.
#[derive(Debug, Error)]
pub enum SourceError {
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("cannot start the reader of the ring: {0}")]
    Reader(std::io::Error),
    #[error("cannot read the programs' counters: {0}")]
    Counters(aya::maps::MapError),
}

/// Whom and how to trace.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Only these processes and the children that they have from now on; `None`: everything but migtrace itself.
    pub processes: Option<Vec<u32>>,
    /// Size of the ring, bytes: a power of two, and whole pages.
    pub ring_bytes: u32,
    /// Whether the programs' own diagnostics are wanted.
    pub diagnostics: bool,
}

/// Tracing under way.
pub struct Live {
    loaded: Loaded,
    reader: Reader,
    diagnostics: Option<aya_log::EbpfLogger<&'static dyn log::Log>>,
}

impl Live {
    /// Attaches the probes and begins to read. Also gives what a trace must say about this recording, as far as it is
    /// known at its start.
    ///
    /// # Errors
    /// What the machine lacks, or what the kernel refused.
    pub fn start(scope: &Scope) -> Result<(Self, Meta), SourceError> {
        support::check()?;
        let kernel = Kernel::running()?;
        let mut config = offsets::config(&kernel)?;
        config.only_traced = scope.processes.is_some().into();
        config.self_pid = std::process::id();
        let options = Options { config, ring_bytes: scope.ring_bytes, diagnostics: scope.diagnostics };
        let mut loaded = Loaded::load(&options)?;
        for &pid in scope.processes.iter().flatten() {
            loaded.trace_process(pid)?;
        }
        let diagnostics = if scope.diagnostics { loaded.diagnostics().ok() } else { None };
        let reader = Reader::start(loaded.take_ring()?, loaded.take_counters()?, Names::of(&kernel))
            .map_err(SourceError::Reader)?;
        let meta = meta(&kernel, &loaded);
        Ok((Self { loaded, reader, diagnostics }, meta))
    }

    /// The next batch of events, in order of time; `None` after the last.
    pub async fn next(&mut self) -> Option<Vec<Event>> {
        self.reader.events.recv().await
    }

    /// Passes the programs' own diagnostics on to the log.
    pub fn flush_diagnostics(&mut self) {
        if let Some(diagnostics) = &mut self.diagnostics {
            diagnostics.flush();
        }
    }

    /// Takes the programs out of the kernel and has the ring drained for the last time. Events still come until
    /// [`Stopped::next`] ends.
    #[must_use]
    pub fn stop(mut self) -> Stopped {
        self.flush_diagnostics();
        drop(self.loaded);
        self.reader.stop();
        Stopped { reader: self.reader }
    }
}

/// Tracing that has ended, its last events not read yet.
pub struct Stopped {
    reader: Reader,
}

impl Stopped {
    /// As [`Live::next`].
    pub async fn next(&mut self) -> Option<Vec<Event>> {
        self.reader.events.recv().await
    }

    /// The account; call it after the last event.
    ///
    /// # Errors
    /// Where the counters cannot be read.
    pub fn close(self) -> Result<Closing, SourceError> {
        self.reader.join().map_err(SourceError::Counters)
    }
}

fn meta(kernel: &Kernel, loaded: &Loaded) -> Meta {
    Meta {
        format_version: FORMAT_VERSION,
        migtrace_version: env!("CARGO_PKG_VERSION").to_owned(),
        kernel_release: kernel.release.clone(),
        kernel_patched: kernel.is_patched(),
        machine: machine::hypervisor(),
        hostname: std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned(),
        topology: topology::topology(),
        probes: loaded.probes.clone(),
        start_ns: clock::boot_ns(),
        wall_offset_ns: clock::wall_offset_ns(),
        ..Meta::default()
    }
}
