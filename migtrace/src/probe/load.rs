//! Loading the BPF object into the running kernel and attaching it by the catalog.

use std::{collections, os::fd::AsFd, path::Path};

use aya::{
    Btf, Ebpf, EbpfLoader, Pod,
    maps::{Array, ArrayOfMaps, HashMap, Map, MapData, MapError, MapFd, PerCpuArray, RingBuf, StackTraceMap},
    programs::{BtfTracePoint, FEntry, FExit, KProbe, Program, ProgramError, TracePoint},
};
use aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_RINGBUF;
use migtrace_common::{
    config::{CONFIG_GLOBAL, FILTER_GLOBAL},
    counters::{PROGRAMS_PER_PROBE, Probe, ProbeCounters, counters_index},
    kinds::RecordKind,
};
use thiserror::Error;

use super::{
    catalog::{CATALOG, Gives, Hook, Placed, Role, Way},
    kernel::Kernel,
    offsets::Offsets,
    program_info::{self, Runs},
    topology::NodesOfCpus,
};
use crate::{
    aggregate,
    filter::kernel::{self, KernelFilter},
    trace::meta::ProbeInfo,
};

/// The compiled programs.
static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("MIGTRACE_BPF_OBJECT"));

/// Processes whose bytes lie in one value of the map of traced ones.
const PIDS_PER_VALUE: usize = 4096;

/// Different stacks that the kernel keeps: two that fall on one place of its table leave the later one out.
const STACKS: u32 = 1 << 14;

/// Why the programs could not be loaded at all.
#[derive(Debug, Error)]
pub enum LoadError {
    #[error("the kernel refused migtrace's BPF maps: {0}")]
    Object(#[from] aya::EbpfError),
    #[error("the kernel's BTF cannot be used: {0}")]
    Btf(#[from] aya::BtfError),
    #[error("map {name} of the BPF object: {source}")]
    Map { name: &'static str, source: MapError },
    #[error("no probe could be attached; the first refusal: {0}")]
    NothingAttached(String),
    #[error("process ids go to {max}, and {pid} is none")]
    Pid { pid: u32, max: usize },
}

/// What the caller decides.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    pub kernel: &'a Kernel,
    pub offsets: &'a Offsets,
    /// Only these processes and the children that they have from now on; `None`: everything but this process.
    pub processes: Option<&'a [u32]>,
    /// Size of each CPU's ring, bytes: a power of two, and whole pages.
    pub ring_bytes: u32,
    /// Whether events get the stacks on which they happened.
    pub stacks: bool,
    /// Where faults, checks, marks and moves of folios are to be counted in the kernel: the records that are made beside.
    pub aggregate: Option<aggregate::Beside>,
    /// Whether the programs' own diagnostics are wanted.
    pub diagnostics: bool,
    /// What of the filter the programs decide.
    pub filter: &'a KernelFilter,
}

/// The programs in the kernel. They leave it when this is dropped.
pub struct Loaded {
    ebpf: Ebpf,
    rings: Vec<RingBuf<MapData>>,
    stacks: bool,
    aggregates: bool,
    /// How each role was filled, or why not.
    pub probes: Vec<ProbeInfo>,
    /// The programs that are attached.
    attached: Vec<(&'static str, Probe)>,
}

/// How often an attached program ran.
#[derive(Clone, Copy, Debug)]
pub struct Ran {
    pub program: &'static str,
    pub probe: Probe,
    pub runs: Runs,
}

impl Loaded {
    /// Loads the object and attaches every program that this kernel has a place for.
    ///
    /// # Errors
    /// Where the kernel refuses the maps, or every program.
    pub fn load(options: &Options<'_>) -> Result<Self, LoadError> {
        let nodes_of_cpus = NodesOfCpus::read();
        let cpus = nodes_of_cpus.possible_cpus();
        let mut config = options.offsets.config;
        config.only_traced = options.processes.is_some().into();
        config.self_pid = std::process::id();
        config.rings = cpus;
        config.stacks = options.stacks.into();
        config.aggregate = options.aggregate.is_some().into();
        let beside = options.aggregate.unwrap_or_default();
        (config.faults_per_window, config.others_per_window) = (beside.faults, beside.others);
        let log_level = if options.diagnostics { aya_log::Level::Trace as u8 } else { 0 };
        let mut ebpf = EbpfLoader::new()
            // Task storage, which aya does not know, and nobody here reads.
            .allow_unsupported_maps()
            .override_global(CONFIG_GLOBAL, &config, true)
            .override_global(FILTER_GLOBAL, &options.filter.settings, true)
            .override_global(aya_log::LEVEL, &log_level, false)
            .map_max_entries("RINGS", cpus)
            .map_max_entries("CPU_NODES", cpus)
            .map_max_entries("STACKS", if options.stacks { STACKS } else { 1 })
            .load(OBJECT)?;
        let rings = make_rings(&mut ebpf, cpus, options.ring_bytes)
            .map_err(|source| LoadError::Map { name: "RINGS", source })?;
        fill_nodes(&mut ebpf, &nodes_of_cpus).map_err(|source| LoadError::Map { name: "CPU_NODES", source })?;
        for &pid in options.processes.unwrap_or_default() {
            trace_process(&mut ebpf, pid)?;
        }
        fill_filter(&mut ebpf, options.filter)?;
        let btf = Btf::from_sys_fs()?;
        let mut attaching =
            Attaching { ebpf: &mut ebpf, options, btf: &btf, attached: Vec::new(), lacks: collections::HashMap::new() };
        let probes: Vec<ProbeInfo> = CATALOG.iter().flat_map(|role| attaching.fill(role)).collect();
        let attached = attaching.attached;
        if attached.is_empty() {
            let first = probes.into_iter().find_map(|probe| probe.error);
            return Err(LoadError::NothingAttached(first.unwrap_or_default()));
        }
        Ok(Self { ebpf, rings, stacks: options.stacks, aggregates: options.aggregate.is_some(), probes, attached })
    }

    /// The rings, once.
    #[must_use]
    pub fn take_rings(&mut self) -> Vec<RingBuf<MapData>> {
        std::mem::take(&mut self.rings)
    }

    /// The stacks, once; `None` where none were asked for.
    ///
    /// # Errors
    /// Where the map is not what it should be.
    pub fn take_stacks(&mut self) -> Result<Option<StackTraceMap<MapData>>, LoadError> {
        if !self.stacks {
            return Ok(None);
        }
        let map = self.ebpf.take_map("STACKS").expect("the object has a map STACKS");
        map.try_into().map(Some).map_err(|source| LoadError::Map { name: "STACKS", source })
    }

    /// The counters, once.
    ///
    /// # Errors
    /// Where the map is not what it should be.
    pub fn take_counters(&mut self) -> Result<Counters, LoadError> {
        let map = self.ebpf.take_map("COUNTERS").expect("the object has a map COUNTERS");
        map.try_into().map(Counters).map_err(|source| LoadError::Map { name: "COUNTERS", source })
    }

    /// The kernel's account of each attached program's runs; one that cannot be asked about is left out.
    #[must_use]
    pub fn ran(&self) -> Vec<Ran> {
        let of = |&(program, probe): &(&'static str, Probe)| {
            let fd = self.ebpf.program(program)?.fd().ok()?;
            Some(Ran { program, probe, runs: program_info::runs(fd.as_fd()).ok()? })
        };
        self.attached.iter().filter_map(of).collect()
    }

    /// The maps of counts, once; `None` where nothing is counted.
    ///
    /// # Errors
    /// Where a map is not what it should be.
    pub fn take_aggregates(&mut self) -> Result<Option<aggregate::Maps>, LoadError> {
        if !self.aggregates {
            return Ok(None);
        }
        let mut take = |name| self.ebpf.take_map(name).expect("the object has the maps of counts");
        let (tallies, processes) = (take("TALLIES"), take("PROCESS_TALLIES"));
        let tallies = tallies.try_into().map_err(|source| LoadError::Map { name: "TALLIES", source })?;
        let processes = processes.try_into().map_err(|source| LoadError::Map { name: "PROCESS_TALLIES", source })?;
        Ok(Some(aggregate::Maps { tallies, processes }))
    }

    /// The programs' own diagnostics.
    ///
    /// # Errors
    /// Where the object has no log.
    pub fn diagnostics(&mut self) -> Result<aya_log::EbpfLogger<&'static dyn log::Log>, aya_log::Error> {
        aya_log::EbpfLogger::init(&mut self.ebpf)
    }
}

/// A ring for each CPU.
fn make_rings(ebpf: &mut Ebpf, cpus: u32, bytes: u32) -> Result<Vec<RingBuf<MapData>>, MapError> {
    let map = ebpf.map_mut("RINGS").expect("the object has a map RINGS");
    let mut of_cpus = ArrayOfMaps::<_, MapFd>::try_from(map)?;
    let make = |cpu| {
        let ring = aya_obj::Map::new_from_params(BPF_MAP_TYPE_RINGBUF as u32, 0, 0, bytes, 0);
        let ring = MapData::create(ring, "migtrace_ring", None)?;
        of_cpus.set(cpu, ring.fd(), 0)?;
        RingBuf::try_from(Map::RingBuf(ring))
    };
    (0..cpus).map(make).collect()
}

fn fill_nodes(ebpf: &mut Ebpf, nodes: &NodesOfCpus) -> Result<(), MapError> {
    let map = ebpf.map_mut("CPU_NODES").expect("the object has a map CPU_NODES");
    let mut of_cpus = Array::<_, i32>::try_from(map)?;
    nodes.iter().try_for_each(|(cpu, node)| of_cpus.set(cpu, node, 0))
}

/// The ids that the filter asks for.
fn fill_filter(ebpf: &mut Ebpf, filter: &KernelFilter) -> Result<(), LoadError> {
    fill_set(ebpf, "WANTED_PIDS", &filter.pids)?;
    fill_set(ebpf, "WANTED_CGROUPS", &filter.cgroups)?;
    fill_set(ebpf, "ROOT_CGROUPS", &filter.root_cgroups)
}

fn fill_set<K: Pod>(ebpf: &mut Ebpf, name: &'static str, keys: &[K]) -> Result<(), LoadError> {
    let map = ebpf.map_mut(name).expect("the object has the filter's maps");
    let fill = || {
        let mut set = HashMap::<_, K, u8>::try_from(map)?;
        keys.iter().try_for_each(|key| set.insert(key, 1, 0))
    };
    fill().map_err(|source| LoadError::Map { name, source })
}

/// From now on a process is traced, and its children. To be called before the programs run: they change the same bytes.
fn trace_process(ebpf: &mut Ebpf, pid: u32) -> Result<(), LoadError> {
    let map = ebpf.map_mut("TRACED").expect("the object has a map TRACED");
    let failed = |source| LoadError::Map { name: "TRACED", source };
    let mut traced = Array::<_, [u8; PIDS_PER_VALUE]>::try_from(map).map_err(failed)?;
    let (index, byte) = (pid / PIDS_PER_VALUE as u32, pid as usize % PIDS_PER_VALUE);
    if index >= traced.len() {
        return Err(LoadError::Pid { pid, max: traced.len() as usize * PIDS_PER_VALUE });
    }
    let mut value = traced.get(&index, 0).map_err(failed)?;
    value[byte] = 1;
    traced.set(index, value, 0).map_err(failed)
}

/// The programs' per-CPU counters.
pub struct Counters(PerCpuArray<MapData, ProbeCounters>);

impl Counters {
    /// Sums over all CPUs and programs, by probe.
    ///
    /// # Errors
    /// Where the map cannot be read.
    pub fn read(&self) -> Result<collections::HashMap<&'static str, ProbeCounters>, MapError> {
        Probe::ALL.iter().map(|&probe| Ok((probe.name(), self.of(probe)?))).collect()
    }

    fn of(&self, probe: Probe) -> Result<ProbeCounters, MapError> {
        (0..PROGRAMS_PER_PROBE).try_fold(ProbeCounters::default(), |total, program| {
            let per_cpu = self.0.get(&counters_index(probe, program), 0)?;
            Ok(per_cpu.iter().fold(total, |total, cpu| ProbeCounters {
                seen: total.seen + cpu.seen,
                stored: total.stored + cpu.stored,
                ring_full: total.ring_full + cpu.ring_full,
                no_start: total.no_start + cpu.no_start,
                filtered: total.filtered + cpu.filtered,
                sampled_out: total.sampled_out + cpu.sampled_out,
                counted_only: total.counted_only + cpu.counted_only,
                uncounted: total.uncounted + cpu.uncounted,
            }))
        })
    }
}

/// Where the kernel offers kprobes (CONFIG_KPROBE_EVENTS).
pub const KPROBES: &str = "/sys/bus/event_source/devices/kprobe/type";

/// Fills one role after the other.
struct Attaching<'a> {
    ebpf: &'a mut Ebpf,
    options: &'a Options<'a>,
    btf: &'a Btf,
    attached: Vec<(&'static str, Probe)>,
    /// By probe: the fields that its records lack by the way that was taken.
    lacks: collections::HashMap<&'static str, &'static [&'static str]>,
}

impl Attaching<'_> {
    /// Takes the first way that the kernel accepts; what is to be said about the role, and about fields that go with it.
    fn fill(&mut self, role: &'static Role) -> Vec<ProbeInfo> {
        let probe = role.probe.name();
        if let Gives::Field(field) = role.gives
            && self.lacks.get(probe).is_some_and(|lacks| lacks.contains(&field))
        {
            // Said when the records' way was taken.
            return Vec::new();
        }
        if !self.is_wanted(role.probe) {
            return vec![info(role, Err("left out by the filter".to_owned()))];
        }
        let mut refusals = Vec::new();
        for way in role.ways {
            match self.take(role.probe, way) {
                Ok(places) => {
                    // Better ways were refused: that is worth knowing, though the role is filled.
                    let refused = (!refusals.is_empty()).then(|| refusals.join("; "));
                    let mut said = vec![ProbeInfo { error: refused, ..info(role, Ok(places)) }];
                    if role.gives == Gives::Records {
                        self.lacks.insert(probe, way.lacks);
                        said.extend(way.lacks.iter().map(|field| lacking(role, field, way.because)));
                    }
                    return said;
                }
                Err(refusal) => refusals.push(refusal),
            }
        }
        vec![info(role, Err(refusals.join("; ")))]
    }

    /// Whether the filter wants records that a probe makes, or that another makes with what this one knows.
    fn is_wanted(&self, probe: Probe) -> bool {
        use RecordKind as Kind;
        let kinds: &[Kind] = match probe {
            Probe::Fault | Probe::Region => &[Kind::FAULT, Kind::REGION],
            Probe::Check | Probe::HintingCheck => &[Kind::CHECK],
            Probe::Mark => &[Kind::MARK],
            Probe::LazyMigrate | Probe::DirectMigrate => &[Kind::MIGRATE],
            Probe::Batch => &[Kind::BATCH, Kind::MIGRATE],
            Probe::LazyBatch => &[Kind::BATCH],
            // What happens inside a request has its cause from it, and a mark its address.
            Probe::Request => &[Kind::REQUEST, Kind::BATCH, Kind::MIGRATE, Kind::MARK],
            // Children of traced processes are found by it.
            Probe::Task if self.options.processes.is_some() => return true,
            Probe::Task => &[Kind::TASK],
            Probe::Phase => &[Kind::PHASE],
        };
        kinds.iter().any(|kind| kernel::wants_records(&self.options.filter.settings, *kind))
    }

    /// Attaches all programs of a way, or none; the places, or the first refusal.
    fn take(&mut self, probe: Probe, way: &'static Way) -> Result<String, String> {
        let mut places = Vec::new();
        for (number, placed) in way.programs.iter().enumerate() {
            match self.attach(placed) {
                Ok(place) => places.push(place),
                Err(refusal) => {
                    way.programs[..number].iter().for_each(|(program, _)| self.unload(program));
                    return Err(refusal);
                }
            }
        }
        self.attached.extend(way.programs.iter().map(|(program, _)| (*program, probe)));
        Ok(places.join(", "))
    }

    fn unload(&mut self, program: &str) {
        // One that cannot be unloaded is dropped with the object.
        let _ = match self.ebpf.program_mut(program) {
            Some(Program::TracePoint(program)) => program.unload(),
            Some(Program::BtfTracePoint(program)) => program.unload(),
            Some(Program::FEntry(program)) => program.unload(),
            Some(Program::FExit(program)) => program.unload(),
            Some(Program::KProbe(program)) => program.unload(),
            _ => Ok(()),
        };
    }

    /// Loads and attaches one program: the place, or what the kernel or aya said, on one line.
    fn attach(&mut self, (name, hook): &'static Placed) -> Result<String, String> {
        let function = self.function_of(hook)?;
        let place = hook.shown(function);
        self.offered(hook).map_err(|why| format!("{place}: {why}"))?;
        let program = self.ebpf.program_mut(name).ok_or_else(|| format!("{name} is not in the BPF object"))?;
        load_and_attach(program, hook, function, self.btf).map_err(|error| {
            log::trace!("{name} ({place}): {error:?}");
            format!("{place}: {}", refusal(&error))
        })?;
        Ok(place)
    }

    /// Which of its function's names this kernel has; nothing for a tracepoint.
    fn function_of(&self, hook: &Hook) -> Result<&'static str, String> {
        let names = hook.functions();
        let Some(first) = names.first() else { return Ok("") };
        names.iter().find(|name| self.options.kernel.has_function(name)).copied().ok_or_else(|| {
            format!("{}: this kernel has no such function, or has it inlined everywhere", hook.shown(first))
        })
    }

    /// Whether the kernel has the trace event, with all fields that the program reads.
    fn offered(&self, hook: &Hook) -> Result<(), String> {
        let (category, name, record) = match hook {
            Hook::Tracepoint(category, name, record) => (category, name, record),
            Hook::Kprobe(_) | Hook::Kretprobe(_) if !Path::new(KPROBES).exists() => {
                return Err("this kernel has no kprobes".to_owned());
            }
            _ => return Ok(()),
        };
        if !Path::new("/sys/kernel/tracing/events").join(category).join(name).exists() {
            return Err("this kernel has no such trace event".to_owned());
        }
        match self.options.offsets.lacking(record) {
            Some(fields) => Err(format!("its record has no {fields}")),
            None => Ok(()),
        }
    }
}

fn load_and_attach(program: &mut Program, hook: &Hook, function: &str, btf: &Btf) -> Result<(), ProgramError> {
    match hook {
        Hook::Tracepoint(category, name, _) => {
            let program: &mut TracePoint = program.try_into()?;
            program.load()?;
            program.attach(category, name)?;
        }
        Hook::BtfTracepoint(name) => {
            let program: &mut BtfTracePoint = program.try_into()?;
            program.load(name, btf)?;
            program.attach()?;
        }
        Hook::Fentry(_) => {
            let program: &mut FEntry = program.try_into()?;
            program.load(function, btf)?;
            program.attach()?;
        }
        Hook::Fexit(_) => {
            let program: &mut FExit = program.try_into()?;
            program.load(function, btf)?;
            program.attach()?;
        }
        Hook::Kprobe(_) | Hook::Kretprobe(_) => {
            let program: &mut KProbe = program.try_into()?;
            program.load()?;
            program.attach(function, 0)?;
        }
    }
    Ok(())
}

/// What the kernel said, on one line: of a verifier's log, the line before its statistics, which holds the reason.
fn refusal(error: &ProgramError) -> String {
    if let ProgramError::LoadError { io_error, verifier_log } = error {
        let log = verifier_log.to_string();
        let reason = log.lines().take_while(|line| !line.starts_with("verification time")).last().unwrap_or_default();
        let reason = reason.trim();
        let separator = if reason.is_empty() { "" } else { "; " };
        return format!("the kernel refused it: {io_error}{separator}{reason}");
    }
    let mut chain = vec![error.to_string()];
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        chain.push(cause.to_string());
        source = cause.source();
    }
    chain.dedup();
    chain.join(": ")
}

fn info(role: &Role, outcome: Result<String, String>) -> ProbeInfo {
    let field = match role.gives {
        Gives::Records => None,
        Gives::Field(field) => Some(field.to_owned()),
    };
    let fidelity = if outcome.is_ok() { "exact" } else { "unavailable" };
    ProbeInfo {
        probe: role.probe.name().to_owned(),
        field,
        attached: outcome.as_ref().ok().cloned(),
        error: outcome.err(),
        fidelity: fidelity.to_owned(),
    }
}

/// A field that the records' way does not show.
fn lacking(role: &Role, field: &str, why: &str) -> ProbeInfo {
    ProbeInfo {
        probe: role.probe.name().to_owned(),
        field: Some(field.to_owned()),
        attached: None,
        error: Some(why.to_owned()),
        fidelity: "unavailable".to_owned(),
    }
}
