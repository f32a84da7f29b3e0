//! The mappings of processes, from the kernel's perf events: a process may exit or execute another program before its records
//! are read. Mappings from before tracing are read from /proc, once.
//!
//! These are the events that `perf record` uses. perf-event2 opens and parses them, procfs parses /proc.

use std::{collections::HashSet, ffi::OsStr, io, os::unix::ffi::OsStrExt as _, sync::Arc};

use perf_event::{
    Builder, Clock, ReadFormat, Record, SampleFlag, Sampler,
    data::{
        Comm, Exit, Fork, Lost, Mmap2, RecordMetadata, Visitor,
        endian::Native,
        parse::{ParseConfig, ParseResult, Parser},
    },
    events::Software,
};
use procfs::process::{MMPermissions, MMapPath, MemoryMap, Process};

use super::{
    mapping_history::{Began, MappingChange, MappingHistory},
    object_file::{Identity, MappedFile},
    vdso,
};

/// Size of a CPU's ring, bytes: the limit of the kernel for processes without CAP_IPC_LOCK. A record has about 150
/// bytes, and the start of a program makes ten.
const RING_BYTES: usize = 1 << 19;
/// Limit of all rings together, bytes, for machines with many CPUs.
const RINGS_BYTES: usize = 1 << 26;
/// Limit of processes that are known to need no second look at /proc.
const READ: usize = 1 << 16;
/// Flag of a comm record caused by exec (`PERF_RECORD_MISC_COMM_EXEC` in linux/perf_event.h).
const COMM_EXEC: u16 = 1 << 13;

/// Tracks the mappings of all processes.
pub struct Mappings {
    samplers: Vec<Sampler>,
    events: Events,
    /// Processes whose earlier mappings were read.
    read: HashSet<u32>,
}

impl Mappings {
    /// Starts to track every process on every CPU.
    ///
    /// # Errors
    /// If the kernel does not allow it.
    pub fn follow() -> io::Result<Self> {
        let cpus = aya::util::online_cpus().map_err(|(_, error)| error)?;
        let ring_bytes = RING_BYTES.min(RINGS_BYTES / cpus.len().next_power_of_two());
        let sampler = |cpu: u32| {
            let mut builder = Builder::new(Software::DUMMY);
            builder.any_pid().one_cpu(cpu as usize).enabled(true);
            builder.mmap(true).mmap2(true).build_id(true).comm(true).comm_exec(true).task(true);
            builder.sample(SampleFlag::TIME).sample_id_all(true).clockid(Clock::BOOTTIME);
            // Since 6.0. Before, the next record that fits reports the loss, if there is one.
            let counting = builder.read_format(ReadFormat::LOST).build();
            counting.or_else(|_| builder.read_format(ReadFormat::empty()).build())?.sampled(ring_bytes)
        };
        Ok(Self {
            samplers: cpus.into_iter().map(sampler).collect::<io::Result<_>>()?,
            events: Events::default(),
            read: HashSet::new(),
        })
    }

    /// Reads the events since the last call.
    pub fn drain(&mut self) {
        for sampler in &mut self.samplers {
            let config = sampler.config().clone();
            while let Some(record) = sampler.next_record() {
                if let Err(error) = parse(&record, &config, &mut self.events) {
                    log::debug!("ignored a mapping event: {error}");
                }
            }
        }
    }

    /// Reads the earlier mappings of a process, or of its ancestors, unless they are known. Call it as soon as the
    /// process has a stack.
    pub fn read_earlier(&mut self, pid: u32) {
        if !self.read.insert(pid) {
            return;
        }
        if self.read.len() > READ {
            self.read.clear();
        }
        let mapped = process_maps(pid);
        // If the process executed another program meanwhile, the kernel has reported it, and its mappings are known.
        self.drain();
        match self.events.history.began(pid) {
            Some(Began::Executed) => {}
            Some(Began::Forked(parent)) => self.read_earlier(parent),
            None => {
                for map in mapped {
                    self.events.add_earlier(pid, &map);
                }
            }
        }
    }

    /// Whether a process still has the mappings it had at a time of the boot clock, apart from newer ones.
    #[must_use]
    pub fn is_current(&self, pid: u32, at_ns: u64) -> bool {
        self.events.history.is_current(pid, at_ns)
    }

    /// The program that a process ran at a time, as [`MappingHistory::program`].
    #[must_use]
    pub fn program(&self, pid: u32, at_ns: u64) -> (u32, u64) {
        self.events.history.program(pid, at_ns)
    }

    /// The program that this one was forked from, as [`MappingHistory::forked_from`].
    #[must_use]
    pub fn forked_from(&self, program: (u32, u64)) -> Option<(u32, u64)> {
        self.events.history.forked_from(program)
    }

    /// Mapping events lost because a ring was full.
    #[must_use]
    pub fn lost(&mut self) -> u64 {
        let counted: Option<u64> = self.samplers.iter_mut().map(|sampler| sampler.read_full().ok()?.lost()).sum();
        counted.unwrap_or(self.events.lost)
    }

    /// The file that a process had mapped at an address, at a time of the boot clock, and the offset in it. `None` if
    /// there is no file or nothing is known.
    #[must_use]
    pub fn find(&self, pid: u32, at_ns: u64, addr: u64) -> Option<(&Arc<MappedFile>, u64)> {
        self.events.history.find(pid, at_ns, addr)
    }
}

fn parse(record: &Record, config: &ParseConfig<Native>, events: &mut Events) -> ParseResult<()> {
    // The crate provides the time only if it parses the record with its header.
    let data = record.to_contiguous();
    let size = u16::try_from(HEADER_BYTES + data.len()).expect("the header has the size");
    let mut bytes = Vec::with_capacity(size.into());
    bytes.extend_from_slice(&record.ty().to_ne_bytes());
    bytes.extend_from_slice(&record.misc().to_ne_bytes());
    bytes.extend_from_slice(&size.to_ne_bytes());
    bytes.extend_from_slice(&data);
    Parser::new(bytes.as_slice(), config.clone()).parse_record(events)
}

/// Bytes of `struct perf_event_header`.
const HEADER_BYTES: usize = 8;

/// The code mappings of a process now; empty if it has exited.
fn process_maps(pid: u32) -> Vec<MemoryMap> {
    let maps = i32::try_from(pid).ok().and_then(|pid| Process::new(pid).and_then(|process| process.maps()).ok());
    maps.into_iter().flatten().filter(|map| map.perms.contains(MMPermissions::EXECUTE)).collect()
}

/// What the records of all CPUs add up to.
#[derive(Default)]
struct Events {
    history: MappingHistory,
    lost: u64,
}

impl Events {
    /// The earlier mappings of a process whose start was not seen.
    fn add_earlier(&mut self, pid: u32, map: &MemoryMap) {
        let file = match &map.pathname {
            MMapPath::Path(path) => {
                let (Ok(major), Ok(minor)) = (u32::try_from(map.dev.0), u32::try_from(map.dev.1)) else { return };
                let identity = Identity::Inode { major, minor, number: map.inode };
                Some(self.history.once(MappedFile { path: path.clone(), identity }))
            }
            MMapPath::Vdso => self.vdso(map.address.0),
            _ => None,
        };
        self.history.push(
            pid,
            0,
            MappingChange::Mapped { addresses: map.address.0..map.address.1, offset: map.offset, file },
        );
    }

    /// The vDSO, if its image is known.
    fn vdso(&mut self, mapped_at: u64) -> Option<Arc<MappedFile>> {
        let vdso = || MappedFile { path: vdso::NAME.into(), identity: Identity::Vdso };
        vdso::is_known(mapped_at).then(|| self.history.once(vdso()))
    }

    /// The file that a record's mapping has, if any.
    fn file(&mut self, record: &Mmap2) -> Option<Arc<MappedFile>> {
        if *record.filename == *vdso::NAME.as_bytes() {
            return self.vdso(record.addr);
        }
        let path = OsStr::from_bytes(&record.filename);
        // Other mappings have a name in brackets, or "//anon".
        if !record.filename.starts_with(b"/") || record.filename.starts_with(b"//") {
            return None;
        }
        let identity = match (record.build_id(), record.maj(), record.min(), record.ino()) {
            (Some(id), ..) => Identity::BuildId(id.into()),
            (None, Some(major), Some(minor), Some(number)) => Identity::Inode { major, minor, number },
            _ => return None,
        };
        Some(self.history.once(MappedFile { path: path.into(), identity }))
    }
}

/// Time of a record, by the boot clock.
fn time(metadata: &RecordMetadata) -> u64 {
    metadata.sample_id().time().unwrap_or_default()
}

impl Visitor<'_> for &mut Events {
    type Output = ();

    fn visit_unimplemented(self, _: RecordMetadata) {}

    fn visit_mmap2(self, record: Mmap2, metadata: RecordMetadata) {
        let file = self.file(&record);
        let addresses = record.addr..record.addr.saturating_add(record.len);
        self.history.push(record.pid, time(&metadata), MappingChange::Mapped { addresses, offset: record.pgoff, file });
    }

    fn visit_comm(self, record: Comm, metadata: RecordMetadata) {
        if metadata.misc() & COMM_EXEC != 0 {
            self.history.push(record.pid, time(&metadata), MappingChange::Executed);
        }
    }

    fn visit_fork(self, record: Fork, metadata: RecordMetadata) {
        // Otherwise it is a thread.
        if record.pid != record.ppid {
            self.history.push(record.pid, time(&metadata), MappingChange::Forked(record.ppid));
        }
    }

    fn visit_exit(self, record: Exit, metadata: RecordMetadata) {
        if record.pid == record.tid {
            self.history.end(record.pid, time(&metadata));
        }
    }

    fn visit_lost(self, record: Lost, _: RecordMetadata) {
        self.lost += record.lost;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: &str = "/lib/later.so";

    /// This test program, whose start was not seen.
    #[test]
    fn mappings_from_before_tracing_come_from_proc() {
        let mut mappings = Mappings { samplers: Vec::new(), events: Events::default(), read: HashSet::new() };
        let (own, child, code) =
            (std::process::id(), u32::MAX, process_maps as fn(u32) -> Vec<MemoryMap> as usize as u64);
        // It maps more before the first lookup.
        let file = MappedFile { path: LATER.into(), identity: Identity::BuildId([1].into()) };
        let later = MappingChange::Mapped { addresses: 0x1000..0x2000, offset: 0, file: Some(Arc::new(file)) };
        mappings.events.history.push(own, 10, later);
        mappings.events.history.push(child, 20, MappingChange::Forked(own));
        mappings.read_earlier(child);
        for pid in [own, child] {
            let (file, _) = mappings.find(pid, 30, code).expect("this function's code");
            assert_eq!(file.path(), std::env::current_exe().ok().as_deref());
            assert_eq!(mappings.find(pid, 30, 0x1000).and_then(|(file, _)| file.path.to_str()), Some(LATER));
        }
    }

    #[test]
    fn a_process_whose_exec_was_seen_needs_no_proc() {
        let mut mappings = Mappings { samplers: Vec::new(), events: Events::default(), read: HashSet::new() };
        mappings.events.history.push(std::process::id(), 10, MappingChange::Executed);
        mappings.read_earlier(std::process::id());
        let code = process_maps as fn(u32) -> Vec<MemoryMap> as usize as u64;
        assert!(mappings.find(std::process::id(), 30, code).is_none());
    }
}
