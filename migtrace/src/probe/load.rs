//! Loading the BPF object into the running kernel and attaching it by the catalog.

use std::{collections::HashMap, path::Path};

use aya::{
    Btf, Ebpf, EbpfLoader,
    maps::{HashMap as BpfHashMap, MapData, MapError, PerCpuArray, RingBuf},
    programs::{BtfTracePoint, FEntry, FExit, TracePoint},
};
use migtrace_common::{
    config::{CONFIG_GLOBAL, Config},
    counters::{Probe, ProbeCounters},
};
use thiserror::Error;

use super::catalog::{CATALOG, Entry, Gives, Hook};
use crate::trace::meta::ProbeInfo;

/// The compiled programs.
static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("MIGTRACE_BPF_OBJECT"));

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
}

/// What the caller decides.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub config: Config,
    /// Size of the ring, bytes: a power of two, and whole pages.
    pub ring_bytes: u32,
    /// Whether the programs' own diagnostics are wanted.
    pub diagnostics: bool,
}

/// The programs in the kernel. They leave it when this is dropped.
pub struct Loaded {
    ebpf: Ebpf,
    /// How each program was attached, or why not.
    pub probes: Vec<ProbeInfo>,
}

impl Loaded {
    /// Loads the object and attaches every program that this kernel has a place for.
    ///
    /// # Errors
    /// Where the kernel refuses the maps, or every program.
    pub fn load(options: &Options) -> Result<Self, LoadError> {
        let log_level = if options.diagnostics { aya_log::Level::Trace as u8 } else { 0 };
        let mut ebpf = EbpfLoader::new()
            .override_global(CONFIG_GLOBAL, &options.config, true)
            .override_global(aya_log::LEVEL, &log_level, false)
            .map_max_entries("RING", options.ring_bytes)
            .load(OBJECT)?;
        let btf = Btf::from_sys_fs()?;
        let outcomes: Vec<_> = CATALOG.iter().map(|entry| (entry, attach(&mut ebpf, entry, &btf))).collect();
        if let Some((_, Err(first))) = outcomes.first()
            && outcomes.iter().all(|(_, outcome)| outcome.is_err())
        {
            return Err(LoadError::NothingAttached(first.clone()));
        }
        let probes = outcomes.iter().map(|(entry, outcome)| info(entry, outcome)).collect();
        Ok(Self { ebpf, probes })
    }

    /// The ring, once.
    ///
    /// # Errors
    /// Where it cannot be mapped.
    pub fn take_ring(&mut self) -> Result<RingBuf<MapData>, LoadError> {
        let map = self.ebpf.take_map("RING").expect("the object has a map RING");
        map.try_into().map_err(|source| LoadError::Map { name: "RING", source })
    }

    /// The counters, once.
    ///
    /// # Errors
    /// Where the map is not what it should be.
    pub fn take_counters(&mut self) -> Result<Counters, LoadError> {
        let map = self.ebpf.take_map("COUNTERS").expect("the object has a map COUNTERS");
        map.try_into().map(Counters).map_err(|source| LoadError::Map { name: "COUNTERS", source })
    }

    /// From now on a process is traced, and its children.
    ///
    /// # Errors
    /// Where the map is full.
    pub fn trace_process(&mut self, pid: u32) -> Result<(), LoadError> {
        let map = self.ebpf.map_mut("TRACED").expect("the object has a map TRACED");
        BpfHashMap::<_, u32, u8>::try_from(map)
            .and_then(|mut traced| traced.insert(pid, 1, 0))
            .map_err(|source| LoadError::Map { name: "TRACED", source })
    }

    /// The programs' own diagnostics.
    ///
    /// # Errors
    /// Where the object has no log.
    pub fn diagnostics(&mut self) -> Result<aya_log::EbpfLogger<&'static dyn log::Log>, aya_log::Error> {
        aya_log::EbpfLogger::init(&mut self.ebpf)
    }
}

/// The programs' per-CPU counters.
pub struct Counters(PerCpuArray<MapData, ProbeCounters>);

impl Counters {
    /// Sums over all CPUs, by probe.
    ///
    /// # Errors
    /// Where the map cannot be read.
    pub fn read(&self) -> Result<HashMap<&'static str, ProbeCounters>, MapError> {
        Probe::ALL.iter().map(|probe| Ok((probe.name(), sum(&self.0.get(&(*probe as u32), 0)?)))).collect()
    }
}

fn sum(per_cpu: &[ProbeCounters]) -> ProbeCounters {
    per_cpu.iter().fold(ProbeCounters::default(), |total, cpu| ProbeCounters {
        seen: total.seen + cpu.seen,
        stored: total.stored + cpu.stored,
        ring_full: total.ring_full + cpu.ring_full,
        map_full: total.map_full + cpu.map_full,
        filtered: total.filtered + cpu.filtered,
    })
}

/// Loads and attaches one program; the error is what the kernel or aya said, on one line.
fn attach(ebpf: &mut Ebpf, entry: &Entry, btf: &Btf) -> Result<(), String> {
    let program = ebpf.program_mut(entry.program).ok_or("it is not in the BPF object")?;
    if let Hook::Tracepoint(category, name) = entry.hook
        && !Path::new("/sys/kernel/tracing/events").join(category).join(name).exists()
    {
        return Err("this kernel has no such trace event".to_owned());
    }
    let result: Result<(), aya::programs::ProgramError> = (|| {
        match entry.hook {
            Hook::Tracepoint(category, name) => {
                let program: &mut TracePoint = program.try_into()?;
                program.load()?;
                program.attach(category, name)?;
            }
            Hook::BtfTracepoint(name) => {
                let program: &mut BtfTracePoint = program.try_into()?;
                program.load(name, btf)?;
                program.attach()?;
            }
            Hook::Fentry(function) => {
                let program: &mut FEntry = program.try_into()?;
                program.load(function, btf)?;
                program.attach()?;
            }
            Hook::Fexit(function) => {
                let program: &mut FExit = program.try_into()?;
                program.load(function, btf)?;
                program.attach()?;
            }
        }
        Ok(())
    })();
    result.map_err(|error| {
        log::trace!("{} ({}): {error:?}", entry.program, entry.hook);
        refusal(&error)
    })
}

/// What the kernel said, on one line: of a verifier's log, the line before its statistics, which holds the reason.
fn refusal(error: &aya::programs::ProgramError) -> String {
    use aya::programs::ProgramError::LoadError;
    if let LoadError { io_error, verifier_log } = error {
        let log = verifier_log.to_string();
        let reason = log.lines().take_while(|line| !line.starts_with("verification time")).last().unwrap_or_default();
        return format!("the kernel refused it: {io_error}; {}", reason.trim());
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

fn info(entry: &Entry, outcome: &Result<(), String>) -> ProbeInfo {
    let field = match entry.gives {
        Gives::Records => None,
        Gives::Field(field) => Some(field.to_owned()),
    };
    let fidelity = if outcome.is_ok() { "exact" } else { "unavailable" };
    ProbeInfo {
        probe: entry.probe.name().to_owned(),
        field,
        attached: outcome.is_ok().then(|| entry.hook.to_string()),
        error: outcome.as_ref().err().map(|error| format!("{}: {error}", entry.hook)),
        fidelity: fidelity.to_owned(),
    }
}
