//! Loads the BPF object into the running kernel, and provides its maps.

use std::{io, os::fd::AsFd};

use aya::{
    Btf, Ebpf, EbpfLoader, Pod,
    maps::{Array, HashMap, Map, MapData, MapError, RingBuf, StackTraceMap},
};
use migtrace_common::{
    config::{CONFIG_GLOBAL, FILTER_GLOBAL},
    counters::Probe,
};
use thiserror::Error;

use super::{
    kfunc,
    options::Options,
    program_info::{self, Ran},
    rings,
    select::{Attached, attach_all, unload},
    traced::Traced,
};
use crate::{
    filter::kernel::KernelFilter,
    live::{counters::Counters, counts::Maps, host::topology::NodesOfCpus},
    recording::ProbeInfo,
};

/// The compiled programs.
static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("MIGTRACE_BPF_OBJECT"));

/// Tables in which the kernel stores distinct stacks. If two stacks have the same hash bucket, the later one goes into
/// the second table.
const STACK_TABLES: [&str; 2] = ["STACKS", "MORE_STACKS"];
/// Buckets of each table.
const STACKS: u32 = 1 << 14;

/// Why no program could be loaded.
#[derive(Debug, Error)]
pub enum LoadError {
    #[error("the kernel rejected the BPF maps: {0}")]
    Object(#[from] aya::EbpfError),
    #[error("cannot load the BPF object: {0}")]
    Elf(#[from] object::Error),
    #[error("the kernel's BTF cannot be used: {0}")]
    Btf(#[from] aya::BtfError),
    #[error("map {name} of the BPF object: {source}")]
    Map { name: &'static str, source: MapError },
    #[error("cannot map the memory of map TRACED: {0}")]
    Traced(std::io::Error),
    #[error("no probe could be attached; first error: {0}")]
    NothingAttached(String),
    #[error("cannot list the CPUs: {0}")]
    Cpus(io::Error),
    #[error(transparent)]
    Rings(#[from] rings::TooLarge),
    #[error("invalid PID {pid} (maximum {max})")]
    Pid { pid: u32, max: usize },
}

/// The programs in the kernel. They are detached on drop.
pub struct Loaded {
    ebpf: Ebpf,
    rings: Vec<RingBuf<MapData>>,
    stacks: bool,
    aggregates: bool,
    /// How each capability was attached, or why not.
    pub probes: Vec<ProbeInfo>,
    /// All attached programs.
    attached: Vec<Attached>,
    /// Which processes are traced. The programs use it only if the options list processes.
    pub traced: Traced,
}

impl Loaded {
    /// Loads the object and attaches every program that this kernel supports.
    ///
    /// # Errors
    /// If the kernel rejects the maps or all programs.
    pub fn load(options: &Options<'_>) -> Result<Self, LoadError> {
        let nodes_of_cpus = NodesOfCpus::read();
        let cpus = nodes_of_cpus.possible_cpus();
        let online = rings::online().map_err(LoadError::Cpus)?;
        rings::check(options.ring_bytes, online.len())?;
        let mut config = options.offsets.config;
        config.only_traced = options.processes.is_some().into();
        config.self_pid = std::process::id();
        config.stacks = options.stacks.into();
        config.places = options.places.into();
        config.tally = options.aggregate.is_some().into();
        let beside = options.aggregate.unwrap_or_default();
        (config.faults_per_window, config.others_per_window) = (beside.faults, beside.others);
        let log_level = if options.diagnostics { aya_log::Level::Trace as u8 } else { 0 };
        kfunc::offer(&mut config, options.kernel);
        let mut object = OBJECT.to_vec();
        kfunc::link(&mut object, options.kernel)?;
        let mut loader = EbpfLoader::new();
        for table in STACK_TABLES {
            loader.map_max_entries(table, if options.stacks { STACKS } else { 1 });
        }
        let mut ebpf = loader
            // Task storage, which aya does not support and migtrace does not read.
            .allow_unsupported_maps()
            .override_global(CONFIG_GLOBAL, &config, true)
            .override_global(FILTER_GLOBAL, &options.filter.settings, true)
            .override_global(aya_log::LEVEL, &log_level, false)
            .map_max_entries("RINGS", cpus)
            .map_max_entries("CPU_NODES", cpus)
            .load(&object)?;
        let rings = rings::make(&mut ebpf, &online, cpus, options.ring_bytes)
            .map_err(|source| LoadError::Map { name: "RINGS", source })?;
        fill_nodes(&mut ebpf, &nodes_of_cpus).map_err(|source| LoadError::Map { name: "CPU_NODES", source })?;
        let traced = map_traced(&ebpf)?;
        for &pid in options.processes.unwrap_or_default() {
            traced.add(pid).map_err(|max| LoadError::Pid { pid, max })?;
        }
        fill_filter(&mut ebpf, options.filter)?;
        let btf = Btf::from_sys_fs()?;
        let (probes, attached) = attach_all(&mut ebpf, options, &btf);
        if attached.is_empty() {
            let first = probes.into_iter().find_map(|probe| probe.error);
            return Err(LoadError::NothingAttached(first.unwrap_or_default()));
        }
        let aggregates = options.aggregate.is_some();
        Ok(Self { ebpf, rings, stacks: options.stacks, aggregates, probes, attached, traced })
    }

    /// Detaches everything. Faults first: detaching all takes the kernel most of a second, during which a storm of
    /// faults would fill the rings. Then batches: a batch that ended without the programs that see migrations would
    /// miss some.
    ///
    /// Of each attach method, the program that sees the start of an event is detached first. So no thread stays in an
    /// event whose end no program sees. Ends without a start are not counted, see
    /// [`Counters::ignore_further_no_start()`](crate::live::counters::Counters::ignore_further_no_start).
    pub fn detach(mut self) {
        let order = |probe| match probe {
            Probe::Fault => 0,
            Probe::Batch => 1,
            _ => 2,
        };
        self.attached.sort_by_key(|&(_, probe)| order(probe));
        for (program, _) in &self.attached {
            unload(&mut self.ebpf, program);
        }
    }

    /// Whether this probe makes records.
    #[must_use]
    pub fn sees(&self, probe: Probe) -> bool {
        let mut capabilities =
            self.probes.iter().filter(|capability| capability.probe == probe && capability.field.is_none());
        capabilities.any(|capability| capability.attached.is_some())
    }

    /// Tells the programs the nodes of CPUs, which are known for some only when they come online.
    ///
    /// # Errors
    /// If the kernel rejects the change.
    pub fn set_nodes(&mut self, nodes: &NodesOfCpus) -> Result<(), MapError> {
        fill_nodes(&mut self.ebpf, nodes)
    }

    /// Takes the rings; works once.
    #[must_use]
    pub fn take_rings(&mut self) -> Vec<RingBuf<MapData>> {
        std::mem::take(&mut self.rings)
    }

    /// Takes the tables of stacks; works once. `None` if stacks were not requested.
    ///
    /// # Errors
    /// If the map has an unexpected type.
    pub fn take_stacks(&mut self) -> Result<Option<[StackTraceMap<MapData>; 2]>, LoadError> {
        if !self.stacks {
            return Ok(None);
        }
        let mut take = |name| {
            let map = self.ebpf.take_map(name).expect("the object has its tables of stacks");
            map.try_into().map_err(|source| LoadError::Map { name, source })
        };
        Ok(Some([take(STACK_TABLES[0])?, take(STACK_TABLES[1])?]))
    }

    /// Takes the counters; works once.
    ///
    /// # Errors
    /// Where the map is not what it should be.
    pub fn take_counters(&mut self) -> Result<Counters, LoadError> {
        let map = self.ebpf.take_map("COUNTERS").expect("the object has a map COUNTERS");
        map.try_into().map(Counters::new).map_err(|source| LoadError::Map { name: "COUNTERS", source })
    }

    /// The kernel's statistics of each attached program. Programs that cannot be queried are omitted.
    #[must_use]
    pub fn ran(&self) -> Vec<Ran> {
        let of = |&(program, probe): &Attached| {
            let fd = self.ebpf.program(program)?.fd().ok()?;
            Some(Ran { program, probe, runs: program_info::runs(fd.as_fd()).ok()? })
        };
        self.attached.iter().filter_map(of).collect()
    }

    /// Takes the maps of counts; works once. `None` if nothing is counted.
    ///
    /// # Errors
    /// If a map has an unexpected type.
    pub fn take_aggregates(&mut self) -> Result<Option<Maps>, LoadError> {
        if !self.aggregates {
            return Ok(None);
        }
        let mut take = |name| self.ebpf.take_map(name).expect("the object has the maps of counts");
        let (tallies, processes) = (take("TALLIES"), take("PROCESS_TALLIES"));
        let tallies = tallies.try_into().map_err(|source| LoadError::Map { name: "TALLIES", source })?;
        let processes = processes.try_into().map_err(|source| LoadError::Map { name: "PROCESS_TALLIES", source })?;
        Ok(Some(Maps { tallies, processes }))
    }

    /// Reads the programs' own diagnostics.
    ///
    /// # Errors
    /// If the object has no log.
    pub fn diagnostics(&mut self) -> Result<aya_log::EbpfLogger<&'static dyn log::Log>, aya_log::Error> {
        aya_log::EbpfLogger::init(&mut self.ebpf)
    }
}

fn fill_nodes(ebpf: &mut Ebpf, nodes: &NodesOfCpus) -> Result<(), MapError> {
    let map = ebpf.map_mut("CPU_NODES").expect("the object has a map CPU_NODES");
    let mut of_cpus = Array::<_, i32>::try_from(map)?;
    nodes.iter().try_for_each(|(cpu, node)| of_cpus.set(cpu, node, 0))
}

/// The ids that the filter selects.
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

fn map_traced(ebpf: &Ebpf) -> Result<Traced, LoadError> {
    let map = ebpf.map("TRACED").expect("the object has a map TRACED");
    let Map::Array(map) = map else { unreachable!("TRACED is an array") };
    let bytes = map.info().map_err(|source| LoadError::Map { name: "TRACED", source })?;
    let len = bytes.max_entries() as usize * bytes.value_size() as usize;
    Traced::map(map, len).map_err(LoadError::Traced)
}
