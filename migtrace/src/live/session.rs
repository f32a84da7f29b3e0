//! A live session: the programs in the running kernel, and the events that they report.
//!
//! A session starts tracing, yields finished events, ticks, and stops with the metadata of the whole recording. `record`,
//! `log`, `top` and `serve` differ in their [`Scope`], and in what they do with the events.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::Arc,
    time::Duration,
};

use migtrace_common::counters::{Probe, ProbeCounters};
use thiserror::Error;

use super::{
    attach::{
        bpf_config,
        load::{LoadError, Loaded},
        options::Options,
        program_info::Ran,
        rings,
    },
    counters::Counters,
    counts,
    end::End,
    enrich::Enrich,
    host::{
        cgroup_hierarchy, hypervisor,
        kernel::Kernel,
        requirements::{self, Unsupported},
        stranded_pages, topology, vmstat,
    },
    measure::Measure,
    privilege,
    process_details::DetailsReader,
    process_start::Processes,
    process_table,
    process_tree::Roots,
    ring::reader::{Closing, Reader},
    scope::Scope,
    symbols::{mappings::Mappings, stacks},
};
use crate::{
    clock,
    counts::Counts,
    decode::names::Names,
    event::{Event, ProbeField},
    filter::kernel,
    recording::{Fidelity, Meta, ProbeInfo, ProcessDetails, ProgramCost, coverage},
    text,
    trace::FORMAT_VERSION,
};

/// Why tracing cannot start, or failed.
#[derive(Debug, Error)]
pub enum SessionError {
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("cannot start the thread that reads the rings: {0}")]
    Reader(io::Error),
    #[error("cannot read the programs' counters: {0}")]
    Counters(aya::maps::MapError),
    #[error("cannot read /proc/vmstat: {0}")]
    Vmstat(io::Error),
}

/// Size of all rings together, bytes, unless the scope has a size.
pub const RINGS_BYTES: u32 = 64 << 20;
/// Smallest and largest ring of a CPU, bytes, unless the scope has a size.
const RING_BYTES: (u32, u32) = (256 << 10, 4 << 20);

/// Tracing under way.
pub struct Session {
    meta: Meta,
    programs: Loaded,
    reader: Reader,
    counters: Arc<Counters>,
    counts: Option<counts::Reader>,
    diagnostics: Option<aya_log::EbpfLogger<&'static dyn log::Log>>,
    measure: Measure,
    enrich: Option<Enrich>,
    /// Details of processes, and the version of the table that was last returned.
    details: (process_table::Shared, u64),
    /// The processes that the scope lists.
    roots: Option<Roots>,
    untraced_descendants: Vec<(u32, usize)>,
    /// The CPUs that were online when their nodes were last read.
    online_cpus: String,
    /// The kernel's counters at the start.
    vmstat: vmstat::Counters,
}

impl Session {
    /// Attaches the programs and starts to read their rings. From then on the calling thread has no more than the scope's
    /// capabilities.
    ///
    /// # Errors
    /// What the machine lacks, or what the kernel rejected.
    pub fn start(scope: &Scope) -> Result<Self, SessionError> {
        requirements::check()?;
        let kernel = Kernel::running()?;
        let online_cpus = topology::online_cpus();
        let names = Names::from_enums(|name| kernel.enumerators(name));
        // Before the programs run: with many processes this takes a while, in which the rings would fill.
        let processes = Processes::running();
        let roots = scope.processes.as_deref().map(Roots::open);
        let mut measure = Measure::start();
        let mut programs = load(scope, &kernel, &names)?;
        let diagnostics = if scope.diagnostics { programs.diagnostics().ok() } else { None };
        let counters = Arc::new(programs.take_counters()?);
        let maps = programs.take_aggregates()?;
        let counts = maps.map(|maps| counts::Reader::new(maps, Arc::clone(&counters), names.clone()));
        let details = process_table::Shared::default();
        let reader = Reader::start(
            programs.take_rings(),
            stack_sources(&mut programs)?,
            Arc::clone(&counters),
            names,
            (processes, scope.enrich.then(|| DetailsReader::new(scope.command_lines, details.clone()))),
            scope.filter.clone(),
            programs.sees(Probe::DirectMigrate),
        )
        .map_err(SessionError::Reader)?;
        let untraced_descendants = match &roots {
            Some(roots) if scope.tree => {
                roots.follow_descendants(&programs.traced);
                Vec::new()
            }
            Some(roots) => roots.untraced_descendants(&programs.traced),
            None => Vec::new(),
        };
        measure.attached();
        let meta = meta(scope, &kernel, &programs);
        privilege::keep(scope.keep);
        let vmstat = vmstat::read().map_err(SessionError::Vmstat)?;
        let enrich = scope.enrich.then(Enrich::running);
        Ok(Self {
            meta,
            programs,
            reader,
            counters,
            counts,
            diagnostics,
            measure,
            enrich,
            details: (details, 0),
            roots,
            untraced_descendants,
            online_cpus,
            vmstat,
        })
    }

    /// What is known of the recording at its start.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Number of descendants that existed at the start and are not traced, by requested process; only processes that have
    /// some.
    #[must_use]
    pub fn untraced_descendants(&self) -> &[(u32, usize)] {
        &self.untraced_descendants
    }

    /// Whether the scope lists processes, and all of them have exited, with the children that were traced with them.
    #[must_use]
    pub fn processes_have_exited(&mut self) -> bool {
        self.roots.as_mut().is_some_and(|roots| roots.have_exited(&self.programs.traced))
    }

    /// The processes that the scope lists, with the children that are traced with them; `None`: the whole system.
    #[must_use]
    pub fn traced_processes(&self) -> Option<Vec<u32>> {
        self.roots.as_ref().map(|_| self.programs.traced.pids().collect())
    }

    /// Takes events of other threads for the recording, such as those of a census. See [`Reader::inbox`].
    #[must_use]
    pub fn inbox(&self) -> std::sync::mpsc::Sender<Vec<Event>> {
        self.reader.inbox()
    }

    /// Reports at level info which hooks this kernel does not have, or rejected.
    pub fn log_unattached(&self) {
        for error in self.meta.probes.iter().filter(|p| p.attached.is_none()).filter_map(|p| p.error.as_ref()) {
            log::info!("not attached: {error}");
        }
    }

    /// The next batch of events, complete and in order of time; `None` after the last. Can be cancelled.
    pub async fn next(&mut self) -> Option<Vec<Event>> {
        next(&mut self.reader, &mut self.enrich).await
    }

    /// Forwards the programs' own diagnostics to the log, has the kernel measure the programs now and then, and follows CPUs
    /// that come online. Call it about four times a second.
    pub fn tick(&mut self) {
        if let Some(diagnostics) = &mut self.diagnostics {
            diagnostics.flush();
        }
        self.measure.tick();
        let online = topology::online_cpus();
        if online != self.online_cpus {
            self.online_cpus = online;
            match self.programs.set_nodes(&topology::NodesOfCpus::read()) {
                Ok(()) => log::info!("CPUs {} are online, and their nodes are stored", self.online_cpus),
                Err(error) => {
                    log::warn!("CPUs came online or went offline, and their nodes cannot be stored: {error}");
                }
            }
        }
    }

    /// Whether the kernel called no program on a function at some tick, so that events may be missing.
    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.measure.interrupted()
    }

    /// Time in which the kernel has measured the programs, up to the last [`Session::tick`].
    #[must_use]
    pub fn measured(&self) -> Duration {
        self.measure.measured()
    }

    /// What each program cost so far, as far as the kernel measured it.
    #[must_use]
    pub fn programs(&self) -> Vec<ProgramCost> {
        self.ran().iter().map(Ran::cost).collect()
    }

    /// How often each program ran since the start, as counted by the kernel.
    #[must_use]
    pub fn ran(&self) -> Vec<Ran> {
        self.programs.ran()
    }

    /// Paths of the cgroups of all events and counts so far, by cgroup id; empty if the scope does not enrich.
    #[must_use]
    pub fn cgroup_paths(&self) -> BTreeMap<u64, String> {
        self.enrich.as_ref().map(Enrich::cgroup_paths).unwrap_or_default()
    }

    /// Command lines, executables and parents of all processes with events so far, and how many processes were evicted;
    /// `None` if nothing changed since the last call.
    #[must_use]
    pub fn processes(&mut self) -> Option<(Vec<ProcessDetails>, u64)> {
        let (table, version) = &mut self.details;
        table.changed(version)
    }

    /// What was counted since the start; `None` if the scope does not count.
    ///
    /// # Errors
    /// [`SessionError::Counters`].
    pub fn counts(&mut self) -> Result<Option<&Counts>, SessionError> {
        let counts = self.counts.as_mut().map(counts::Reader::read).transpose().map_err(SessionError::Counters)?;
        // Counts are of this moment, and events later; a process may have no event that is listed.
        if let Some((counts, enrich)) = counts.zip(self.enrich.as_mut()) {
            counts.processes.running_in().into_iter().for_each(|id| enrich.see_cgroup(id));
        }
        Ok(counts)
    }

    /// As [`counts::Reader::forget_cgroups`].
    pub fn forget_cgroups(&mut self, ids: &[u64]) {
        if let Some(counts) = &mut self.counts {
            counts.forget_cgroups(ids);
        }
    }

    /// The programs' counters since the start, by probe.
    ///
    /// # Errors
    /// [`SessionError::Counters`].
    pub fn counters(&self) -> Result<HashMap<Probe, ProbeCounters>, SessionError> {
        self.counters.read().map_err(SessionError::Counters)
    }

    /// Detaches the programs and drains the rings. `take` gets the last events, as [`Session::next`] would return them; the
    /// result is the metadata of the whole recording.
    ///
    /// # Errors
    /// Those of `take`; the kernel's counters cannot be read.
    pub async fn stop<E: From<SessionError>>(
        mut self,
        mut take: impl FnMut(Vec<Event>) -> Result<(), E>,
    ) -> Result<Meta, E> {
        let vmstat = vmstat::read().map_err(SessionError::Vmstat)?;
        let end_ns = clock::boot_ns();
        if let Some(diagnostics) = &mut self.diagnostics {
            diagnostics.flush();
        }
        let ran = self.programs.ran();
        self.counters.ignore_further_no_start().map_err(SessionError::Counters)?;
        self.programs.detach();
        self.reader.stop();
        while let Some(events) = next(&mut self.reader, &mut self.enrich).await {
            take(events)?;
        }
        let closing = self.reader.join().map_err(SessionError::Counters)?;
        warn_of_missing_names(&closing);
        let end = End {
            end_ns,
            vmstat_delta: vmstat::delta(&self.vmstat, &vmstat),
            cgroups: self.enrich.as_ref().map(Enrich::cgroup_paths).unwrap_or_default(),
            closing,
            ran,
            interrupted: self.measure.interrupted(),
            max_rss_bytes: max_rss_bytes(),
            topology: topology::topology(),
        };
        Ok(end.complete(self.meta))
    }
}

async fn next(reader: &mut Reader, enrich: &mut Option<Enrich>) -> Option<Vec<Event>> {
    let mut events = reader.events.recv().await?;
    if let Some(enrich) = enrich {
        enrich.complete(&mut events);
    }
    Some(events)
}

fn warn_of_missing_names(closing: &Closing) {
    if closing.lost_mappings > 0 {
        let lost = text::count(closing.lost_mappings, "mapping event");
        log::warn!("{lost} lost: some functions may have no names");
    }
    for ignored in closing.rejected_perf_maps.texts() {
        log::warn!("{ignored}: some functions may have no names");
    }
}

fn load(scope: &Scope, kernel: &Kernel, names: &Names) -> Result<Loaded, SessionError> {
    let filter = kernel::lower(&scope.filter, &|reason, call| names.cause(reason, call)).within(&scope.kernel);
    let options = Options {
        kernel,
        offsets: &bpf_config::offsets(kernel)?,
        processes: scope.processes.as_deref(),
        ring_bytes: scope.ring_bytes.unwrap_or_else(default_ring_bytes),
        stacks: scope.stacks,
        places: scope.places,
        aggregate: scope.aggregate,
        diagnostics: scope.diagnostics,
        filter: &filter,
    };
    Ok(Loaded::load(&options)?)
}

fn stack_sources(programs: &mut Loaded) -> Result<Option<stacks::Sources>, LoadError> {
    let Some(tables) = programs.take_stacks()? else { return Ok(None) };
    let mappings = Mappings::follow().inspect_err(|error| {
        log::warn!("cannot follow mappings: {error}; functions of short-lived processes may have no names");
    });
    Ok(Some(stacks::Sources { tables, mappings: mappings.ok() }))
}

/// [`RINGS_BYTES`] divided among the CPUs that are online, within the limits of one ring.
fn default_ring_bytes() -> u32 {
    let cpus = rings::online().map_or(1, |cpus| cpus.len() as u32);
    let (smallest, largest) = RING_BYTES;
    (RINGS_BYTES / cpus.next_power_of_two()).clamp(smallest, largest)
}

/// What the programs show, and what is read beside them.
fn probes(programs: &Loaded) -> Vec<ProbeInfo> {
    let stranded_pages = ProbeInfo {
        probe: Probe::Task.into(),
        field: Some(ProbeField::Pages.into()),
        attached: Some(stranded_pages::SOURCE.to_owned()),
        error: None,
        fidelity: Fidelity::Estimated.into(),
    };
    programs.probes.iter().cloned().chain([stranded_pages]).collect()
}

fn meta(scope: &Scope, kernel: &Kernel, programs: &Loaded) -> Meta {
    let mut meta = Meta {
        format_version: FORMAT_VERSION,
        migtrace_version: env!("CARGO_PKG_VERSION").to_owned(),
        kernel_release: kernel.release.clone(),
        kernel_patched: kernel.is_patched(),
        machine: hypervisor::hypervisor(),
        hostname: std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned(),
        topology: topology::topology(),
        probes: probes(programs),
        start_ns: clock::boot_ns(),
        wall_offset_ns: clock::wall_offset_ns(),
        cgroup_hierarchy: cgroup_hierarchy::describe(),
        command: scope.command.clone(),
        filter: scope.filter_text.clone(),
        sample: scope.kernel.sample.filter(|n| n.get() > 1),
        ..Meta::default()
    };
    // Some programs run because others need their state. Their own records are filtered all the same.
    coverage::exclude(&mut meta.probes, scope.filter.kinds().complement());
    meta
}

/// The largest resident size that this process had, bytes.
fn max_rss_bytes() -> Option<u64> {
    // SAFETY: plain integers, for which all zeroes is a valid value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is a valid place for the answer.
    let ret = unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    (ret == 0).then(|| usage.ru_maxrss as u64 * 1024)
}
