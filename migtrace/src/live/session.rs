//! A live source of events: the programs in the running kernel, and the reader of their ring.

use std::{
    collections::HashMap,
    os::fd::OwnedFd,
    sync::Arc,
    time::{Duration, Instant},
};

use aya::sys::{Stats, enable_stats};
use migtrace_common::counters::{Probe, ProbeCounters};
use thiserror::Error;

use super::{
    attach::{
        bpf_config,
        load::{LoadError, Loaded},
        options::Options,
        program_info::Ran,
    },
    counters::Counters,
    counts,
    host::{
        hypervisor,
        kernel::Kernel,
        requirements::{self, Unsupported},
        stranded_pages, topology,
    },
    privilege,
    process_start::Processes,
    ring::reader::{Closing, Reader},
    symbols::{mappings::Mappings, stacks},
};
use crate::{
    clock,
    counts::{Beside, Counts},
    decode::names::Names,
    event::{Event, ProbeField},
    filter::{
        Filter,
        kernel::{self, KernelScope},
    },
    recording::{Fidelity, Meta, OwnCost, ProbeAccount, ProbeInfo, ProgramCost, coverage},
    trace::FORMAT_VERSION,
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
    /// Size of each CPU's ring, bytes: a power of two, and whole pages; `None`: so that all of them take
    /// [`RINGS_BYTES`].
    pub ring_bytes: Option<u32>,
    /// Whether events get the stacks on which they happened.
    pub stacks: bool,
    /// Where faults, checks, marks and moves of folios are to be counted in the kernel, so that not each needs a record: the
    /// records that are made beside. [`Live::counts`] gives the counts.
    pub aggregate: Option<Beside>,
    /// Whether the programs' own diagnostics are wanted.
    pub diagnostics: bool,
    /// Only these events.
    pub filter: Filter,
    /// And of them only those that the kernel lets through for more.
    pub kernel: KernelScope,
}

/// What all rings take, bytes, where nobody says anything else.
pub const RINGS_BYTES: u32 = 64 << 20;
/// Largest and smallest ring of a CPU, bytes, where nobody says anything else.
const RING_BYTES: (u32, u32) = (256 << 10, 4 << 20);

/// Tracing under way.
pub struct Live {
    loaded: Loaded,
    reader: Reader,
    counters: Arc<Counters>,
    aggregates: Option<counts::Reader>,
    diagnostics: Option<aya_log::EbpfLogger<&'static dyn log::Log>>,
    /// While it is held the kernel measures the programs.
    measuring: Option<OwnedFd>,
    measures_always: bool,
    /// Time in which it has measured them, up to the last tick, and when that was.
    measured: Duration,
    ticked: Instant,
    ticks: u64,
    /// At a tick the kernel called no program on a function.
    silenced: bool,
}

/// What [`hypervisor::hypervisor`] calls QEMU's emulation.
const EMULATOR: &str = "tcg";

/// Of so many ticks the kernel measures the programs in the first: to measure all the time would cost every program two
/// looks at the clock.
const TICKS_PER_MEASURE: u64 = 40;

impl Live {
    /// Attaches the probes and begins to read. Also gives what a trace must say about this recording, as far as it is
    /// known at its start.
    ///
    /// # Errors
    /// What the machine lacks, or what the kernel refused.
    pub fn start(scope: &Scope) -> Result<(Self, Meta), SourceError> {
        requirements::check()?;
        let kernel = Kernel::running()?;
        let offsets = bpf_config::offsets(&kernel)?;
        let ring_bytes = scope.ring_bytes.unwrap_or_else(default_ring_bytes);
        let names = Names::from_enums(|name| kernel.enumerators(name));
        let filter = kernel::lower(&scope.filter, &|reason, call| names.cause(reason, call)).within(&scope.kernel);
        let options = Options {
            kernel: &kernel,
            offsets: &offsets,
            processes: scope.processes.as_deref(),
            ring_bytes,
            stacks: scope.stacks,
            aggregate: scope.aggregate,
            diagnostics: scope.diagnostics,
            filter: &filter,
        };
        // Before the programs run: on a machine with many processes this takes a while, in which rings would fill.
        let processes = Processes::running();
        // To switch it patches code that every program runs through. QEMU's processors, emulated in several threads, can go on
        // executing the breakpoint that covers the patch, for ever: there, unless there is only one, it is switched while no
        // program runs.
        let is_emulated = hypervisor::hypervisor().as_deref() == Some(EMULATOR);
        let measures_always = is_emulated && std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() > 1);
        let measuring = if measures_always { enable_stats(Stats::RunTime).ok() } else { None };
        let mut loaded = Loaded::load(&options)?;
        let diagnostics = if scope.diagnostics { loaded.diagnostics().ok() } else { None };
        let counters = Arc::new(loaded.take_counters()?);
        let maps = loaded.take_aggregates()?;
        let aggregates = maps.map(|maps| counts::Reader::new(maps, Arc::clone(&counters), names.clone()));
        let stacks = loaded.take_stacks()?.map(|tables| {
            let mappings = Mappings::follow().inspect_err(|error| {
                log::warn!("the kernel does not tell what programs map: {error}; functions of short-lived ones may have no names");
            });
            stacks::Sources { tables, mappings: mappings.ok() }
        });
        let reader = Reader::start(
            loaded.take_rings(),
            stacks,
            Arc::clone(&counters),
            names,
            processes,
            scope.filter.clone(),
            loaded.sees(Probe::DirectMigrate),
        )
        .map_err(SourceError::Reader)?;
        let mut meta = meta(&kernel, &loaded);
        // Some programs run for what others make of it; their own records are not there all the same.
        coverage::exclude(&mut meta.probes, scope.filter.kinds().complement());
        meta.sample = scope.kernel.sample.filter(|n| n.get() > 1);
        Ok((
            Self {
                loaded,
                reader,
                counters,
                aggregates,
                diagnostics,
                measuring,
                measures_always,
                measured: Duration::ZERO,
                ticked: Instant::now(),
                ticks: 0,
                silenced: false,
            },
            meta,
        ))
    }

    /// The next batch of events, in order of time; `None` after the last.
    pub async fn next(&mut self) -> Option<Vec<Event>> {
        self.reader.events.recv().await
    }

    /// What each program cost so far, as far as the kernel measured it.
    #[must_use]
    pub fn programs(&self) -> Vec<ProgramCost> {
        self.loaded.ran().iter().map(cost).collect()
    }

    /// Whether the kernel called no program on a function at some tick, so that something may not have been seen.
    #[must_use]
    pub const fn silenced(&self) -> bool {
        self.silenced
    }

    /// To be called about four times a second: passes the programs' own diagnostics on to the log, has the kernel measure the
    /// programs now and then, and looks whether it still calls them.
    pub fn tick(&mut self) {
        self.silenced |= requirements::functions_silenced().is_some();
        if let Some(diagnostics) = &mut self.diagnostics {
            diagnostics.flush();
        }
        let now = Instant::now();
        if self.measuring.is_some() {
            self.measured += now - self.ticked;
        }
        self.ticked = now;
        if self.measures_always {
            return;
        }
        self.measuring = match self.ticks % TICKS_PER_MEASURE {
            // A kernel that does not measure leaves the cost unknown.
            0 => privilege::measuring(|| enable_stats(Stats::RunTime)).ok(),
            _ => None,
        };
        self.ticks += 1;
    }

    /// What was counted since the start; `None` where nothing is counted.
    ///
    /// # Errors
    /// Where the counts cannot be read.
    pub fn counts(&mut self) -> Result<Option<&Counts>, SourceError> {
        self.aggregates.as_mut().map(counts::Reader::read).transpose().map_err(SourceError::Counters)
    }

    /// As [`counts::Reader::forget_cgroups`].
    pub fn forget_cgroups(&mut self, ids: &[u64]) {
        if let Some(aggregates) = &mut self.aggregates {
            aggregates.forget_cgroups(ids);
        }
    }

    /// The programs' counters since the start, by probe.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn counters(&self) -> Result<HashMap<Probe, ProbeCounters>, SourceError> {
        self.counters.read().map_err(SourceError::Counters)
    }

    /// Time in which the kernel has measured the programs, up to the last [`Live::tick`].
    #[must_use]
    pub fn measured(&self) -> Duration {
        self.measured
    }

    /// How often each program ran since the start, as the kernel says.
    #[must_use]
    pub fn ran(&self) -> Vec<Ran> {
        self.loaded.ran()
    }

    /// Takes the programs out of the kernel and has the rings drained for the last time. Events still come until
    /// [`Stopped::next`] ends.
    #[must_use]
    pub fn stop(mut self) -> Stopped {
        if let Some(diagnostics) = &mut self.diagnostics {
            diagnostics.flush();
        }
        let ran = self.loaded.ran();
        self.loaded.detach();
        self.reader.stop();
        Stopped { reader: self.reader, ran, silenced: self.silenced }
    }
}

/// So that all rings together take [`RINGS_BYTES`], within the limits of one.
fn default_ring_bytes() -> u32 {
    let cpus = topology::NodesOfCpus::read().possible_cpus();
    let (smallest, largest) = RING_BYTES;
    (RINGS_BYTES / cpus.next_power_of_two()).clamp(smallest, largest)
}

/// Tracing that has ended, its last events not read yet.
pub struct Stopped {
    reader: Reader,
    ran: Vec<Ran>,
    silenced: bool,
}

/// What is known of a recording when all is read.
#[derive(Debug)]
pub struct End {
    pub account: Vec<ProbeAccount>,
    /// Events that came out after a later one.
    pub late: u64,
    /// Changes of what programs map that were not read in time.
    pub lost_mappings: u64,
    /// For a time the kernel called no program on a function.
    pub silenced: bool,
    /// As far as the source knows it.
    pub own_cost: OwnCost,
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
    pub fn close(self) -> Result<End, SourceError> {
        let Closing { mut account, late, lost_mappings, cpu_ns } = self.reader.join().map_err(SourceError::Counters)?;
        let mut missed = HashMap::<_, u64>::new();
        for ran in &self.ran {
            *missed.entry(ran.probe).or_default() += ran.runs.missed;
        }
        for account in &mut account {
            account.missed = account.probe.known().and_then(|probe| missed.get(&probe).copied());
        }
        let programs = self.ran.iter().map(cost).collect();
        let own_cost = OwnCost { programs, reader_cpu_ns: Some(cpu_ns), ..OwnCost::default() };
        Ok(End { account, late, lost_mappings, silenced: self.silenced, own_cost })
    }
}

fn cost(ran: &Ran) -> ProgramCost {
    let measured = |count| (count > 0).then_some(count);
    ProgramCost {
        name: ran.program.to_owned(),
        run_ns: measured(ran.runs.run_count).map(|_| ran.runs.run_ns),
        run_count: measured(ran.runs.run_count),
        missed: Some(ran.runs.missed),
    }
}

/// What the programs show, and what is read beside them.
fn probes(loaded: &Loaded) -> Vec<ProbeInfo> {
    let left_behind = ProbeInfo {
        probe: Probe::Task.into(),
        field: Some(ProbeField::Pages.into()),
        attached: Some(stranded_pages::SOURCE.to_owned()),
        error: None,
        fidelity: Fidelity::Estimated.into(),
    };
    loaded.probes.iter().cloned().chain([left_behind]).collect()
}

fn meta(kernel: &Kernel, loaded: &Loaded) -> Meta {
    Meta {
        format_version: FORMAT_VERSION,
        migtrace_version: env!("CARGO_PKG_VERSION").to_owned(),
        kernel_release: kernel.release.clone(),
        kernel_patched: kernel.is_patched(),
        machine: hypervisor::hypervisor(),
        hostname: std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned(),
        topology: topology::topology(),
        probes: probes(loaded),
        start_ns: clock::boot_ns(),
        wall_offset_ns: clock::wall_offset_ns(),
        ..Meta::default()
    }
}
