//! The mappings of processes, from the kernel's perf events: a process may exit or execute another program before its records
//! are read. Mappings from before tracing are read from /proc, once.
//!
//! These are the events that `perf record` uses. perf-event2 opens and parses them, procfs parses /proc.

use std::{
    collections::{HashMap, HashSet, VecDeque, hash_map::Entry},
    ffi::OsStr,
    io,
    ops::Range,
    os::unix::ffi::OsStrExt as _,
    sync::Arc,
};

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

use super::object_file::{Identity, MappedFile};

/// Size of a CPU's ring, bytes: the limit of the kernel for processes without CAP_IPC_LOCK. A record has about 150
/// bytes, and the start of a program makes ten.
const RING_BYTES: usize = 1 << 19;
/// Limit of all rings together, bytes, for machines with many CPUs.
const RINGS_BYTES: usize = 1 << 26;
/// Limit of exited processes to keep.
const ENDED: usize = 1 << 12;
/// Limit of mappings of one process: JIT compilers map new code all the time.
const CHANGES: usize = 1 << 10;
/// Limit of files that are stored once each; beyond it they are stored again.
const FILES: usize = 1 << 14;
/// Limit of processes whose earlier mappings are not read a second time.
const ASKED: usize = 1 << 16;
/// Limit of forks between the process that made a mapping and the one that inherited it.
const GENERATIONS: usize = 64;
/// Flag of a comm record caused by exec (`PERF_RECORD_MISC_COMM_EXEC` in linux/perf_event.h).
const COMM_EXEC: u16 = 1 << 13;

/// Tracks the mappings of all processes.
pub struct Mappings {
    samplers: Vec<Sampler>,
    told: Told,
    /// Processes whose earlier mappings were read.
    asked: HashSet<u32>,
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
            told: Told::default(),
            asked: HashSet::new(),
        })
    }

    /// Reads the events since the last call.
    pub fn drain(&mut self) {
        for sampler in &mut self.samplers {
            let config = sampler.config().clone();
            while let Some(record) = sampler.next_record() {
                if let Err(error) = parse(&record, &config, &mut self.told) {
                    log::debug!("ignored a mapping event: {error}");
                }
            }
        }
    }

    /// Reads the earlier mappings of a process, or of its ancestors, unless they are known. Call it as soon as the
    /// process has a stack.
    pub fn ask(&mut self, pid: u32) {
        if !self.asked.insert(pid) {
            return;
        }
        if self.asked.len() > ASKED {
            self.asked.clear();
        }
        let mapped = process_maps(pid);
        // If the process executed another program meanwhile, the kernel has reported it, and its mappings are known.
        self.drain();
        match self.told.began(pid) {
            Some(Began::Executed) => {}
            Some(Began::Forked(parent)) => self.ask(parent),
            None => {
                for map in mapped {
                    self.told.note_earlier(pid, &map);
                }
            }
        }
    }

    /// Whether a process still has the mappings it had at a time of the boot clock, apart from newer ones.
    #[must_use]
    pub fn is_current(&self, pid: u32, at_ns: u64) -> bool {
        self.told.is_current(pid, at_ns)
    }

    /// Mapping events lost because a ring was full.
    #[must_use]
    pub fn lost(&mut self) -> u64 {
        let counted: Option<u64> = self.samplers.iter_mut().map(|sampler| sampler.read_full().ok()?.lost()).sum();
        counted.unwrap_or(self.told.lost)
    }

    /// The file that a process had mapped at an address, at a time of the boot clock, and the offset in it. `None` if
    /// there is no file or nothing is known.
    #[must_use]
    pub fn find(&self, pid: u32, at_ns: u64, addr: u64) -> Option<(&Arc<MappedFile>, u64)> {
        self.told.find(pid, at_ns, addr)
    }
}

fn parse(record: &Record, config: &ParseConfig<Native>, told: &mut Told) -> ParseResult<()> {
    // The crate provides the time only if it parses the record with its header.
    let data = record.to_contiguous();
    let size = u16::try_from(HEADER_BYTES + data.len()).expect("the header has the size");
    let mut bytes = Vec::with_capacity(size.into());
    bytes.extend_from_slice(&record.ty().to_ne_bytes());
    bytes.extend_from_slice(&record.misc().to_ne_bytes());
    bytes.extend_from_slice(&size.to_ne_bytes());
    bytes.extend_from_slice(&data);
    Parser::new(bytes.as_slice(), config.clone()).parse_record(told)
}

/// Bytes of `struct perf_event_header`.
const HEADER_BYTES: usize = 8;

/// The code mappings of a process now; empty if it has exited.
fn process_maps(pid: u32) -> Vec<MemoryMap> {
    let maps = i32::try_from(pid).ok().and_then(|pid| Process::new(pid).and_then(|process| process.maps()).ok());
    maps.into_iter().flatten().filter(|map| map.perms.contains(MMPermissions::EXECUTE)).collect()
}

/// The mapping events by process, in order of time. CPUs are read one after the other.
#[derive(Default)]
struct Told {
    processes: HashMap<u32, Vec<Change>>,
    /// With the time, since the PID may be reused.
    ended: VecDeque<(u32, u64)>,
    files: HashSet<Arc<MappedFile>>,
    lost: u64,
}

struct Change {
    at_ns: u64,
    what: What,
}

/// How a process started.
enum Began {
    /// With only its program.
    Executed,
    /// With all mappings of this process.
    Forked(u32),
}

enum What {
    /// Started with the mappings of this process.
    Forked(u32),
    /// Started without earlier mappings.
    Executed,
    Mapped {
        addresses: Range<u64>,
        offset: u64,
        file: Option<Arc<MappedFile>>,
    },
}

impl Told {
    fn push(&mut self, pid: u32, at_ns: u64, what: What) {
        let changes = self.processes.entry(pid).or_default();
        if changes.len() == CHANGES {
            changes.remove(0);
        }
        let place = changes.partition_point(|change| change.at_ns <= at_ns);
        changes.insert(place, Change { at_ns, what });
    }

    fn end(&mut self, pid: u32, at_ns: u64) {
        if self.ended.len() == ENDED
            && let Some((oldest, until_ns)) = self.ended.pop_front()
            && let Entry::Occupied(mut changes) = self.processes.entry(oldest)
        {
            changes.get_mut().retain(|change| change.at_ns > until_ns);
            if changes.get().is_empty() {
                changes.remove();
            }
        }
        self.ended.push_back((pid, at_ns));
    }

    fn find(&self, mut pid: u32, mut at_ns: u64, addr: u64) -> Option<(&Arc<MappedFile>, u64)> {
        for _ in 0..GENERATIONS {
            let changes = self.processes.get(&pid)?;
            let before = changes.partition_point(|change| change.at_ns <= at_ns);
            let decides = |change: &&Change| match &change.what {
                What::Mapped { addresses, .. } => addresses.contains(&addr),
                What::Forked(_) | What::Executed => true,
            };
            let change = changes[..before].iter().rev().find(decides)?;
            match &change.what {
                What::Mapped { addresses, offset, file } => {
                    return Some((file.as_ref()?, addr - addresses.start + offset));
                }
                What::Executed => return None,
                What::Forked(parent) => (pid, at_ns) = (*parent, change.at_ns),
            }
        }
        None
    }

    /// How a process started, if that was reported.
    fn began(&self, pid: u32) -> Option<Began> {
        self.processes.get(&pid)?.iter().find_map(|change| match change.what {
            What::Executed => Some(Began::Executed),
            What::Forked(parent) => Some(Began::Forked(parent)),
            What::Mapped { .. } => None,
        })
    }

    fn is_current(&self, pid: u32, at_ns: u64) -> bool {
        let ends = |change: &Change| change.at_ns > at_ns && !matches!(change.what, What::Mapped { .. });
        !self.processes.get(&pid).is_some_and(|changes| changes.iter().any(ends))
            && !self.ended.iter().any(|&(ended, ended_ns)| ended == pid && ended_ns >= at_ns)
    }

    /// The earlier mappings of a process whose start was not seen.
    fn note_earlier(&mut self, pid: u32, map: &MemoryMap) {
        let file = match &map.pathname {
            MMapPath::Path(path) => {
                let (Ok(major), Ok(minor)) = (u32::try_from(map.dev.0), u32::try_from(map.dev.1)) else { return };
                let identity = Identity::Inode { major, minor, number: map.inode };
                Some(self.once(MappedFile { path: path.clone(), identity }))
            }
            _ => None,
        };
        self.push(pid, 0, What::Mapped { addresses: map.address.0..map.address.1, offset: map.offset, file });
    }

    fn file(&mut self, record: &Mmap2) -> Option<Arc<MappedFile>> {
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
        Some(self.once(MappedFile { path: path.into(), identity }))
    }

    fn once(&mut self, file: MappedFile) -> Arc<MappedFile> {
        if let Some(known) = self.files.get(&file) {
            return Arc::clone(known);
        }
        if self.files.len() == FILES {
            self.files.clear();
        }
        let file = Arc::new(file);
        self.files.insert(Arc::clone(&file));
        file
    }
}

/// Time of a record, by the boot clock.
fn time(metadata: &RecordMetadata) -> u64 {
    metadata.sample_id().time().unwrap_or_default()
}

impl Visitor<'_> for &mut Told {
    type Output = ();

    fn visit_unimplemented(self, _: RecordMetadata) {}

    fn visit_mmap2(self, record: Mmap2, metadata: RecordMetadata) {
        let file = self.file(&record);
        let addresses = record.addr..record.addr.saturating_add(record.len);
        self.push(record.pid, time(&metadata), What::Mapped { addresses, offset: record.pgoff, file });
    }

    fn visit_comm(self, record: Comm, metadata: RecordMetadata) {
        if metadata.misc() & COMM_EXEC != 0 {
            self.push(record.pid, time(&metadata), What::Executed);
        }
    }

    fn visit_fork(self, record: Fork, metadata: RecordMetadata) {
        // Otherwise it is a thread.
        if record.pid != record.ppid {
            self.push(record.pid, time(&metadata), What::Forked(record.ppid));
        }
    }

    fn visit_exit(self, record: Exit, metadata: RecordMetadata) {
        if record.pid == record.tid {
            self.end(record.pid, time(&metadata));
        }
    }

    fn visit_lost(self, record: Lost, _: RecordMetadata) {
        self.lost += record.lost;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: u64 = 0x40_0000;
    const PAGE: u64 = 0x1000;

    /// Maps a page of a file's second page at [`CODE`].
    fn map(told: &mut Told, pid: u32, at_ns: u64, path: &str) {
        let file = MappedFile { path: path.into(), identity: Identity::BuildId([1].into()) };
        told.push(pid, at_ns, What::Mapped { addresses: CODE..CODE + PAGE, offset: PAGE, file: Some(Arc::new(file)) });
    }

    fn found(told: &Told, pid: u32, at_ns: u64) -> Option<&str> {
        let (file, offset) = told.find(pid, at_ns, CODE + 8)?;
        assert_eq!(offset, PAGE + 8);
        file.path.to_str()
    }

    #[test]
    fn what_was_mapped_is_that_of_the_time() {
        let mut told = Told::default();
        map(&mut told, 1, 10, "/bin/sh");
        told.push(1, 20, What::Executed);
        map(&mut told, 1, 30, "/bin/dd");
        map(&mut told, 1, 40, "/lib/later.so");
        told.end(1, 50);
        let at = [5, 10, 20, 35, 40, u64::MAX].map(|at_ns| found(&told, 1, at_ns));
        let (sh, dd, later) = (Some("/bin/sh"), Some("/bin/dd"), Some("/lib/later.so"));
        assert_eq!(at, [None, sh, None, dd, later, later]);
        assert_eq!(told.find(1, 40, CODE + PAGE), None);
        assert_eq!(found(&told, 2, 40), None);
    }

    #[test]
    fn a_process_begins_with_what_its_parent_had_then() {
        let mut told = Told::default();
        map(&mut told, 1, 10, "/bin/sh");
        told.push(2, 20, What::Forked(1));
        told.push(3, 25, What::Forked(2));
        map(&mut told, 1, 30, "/lib/later.so");
        assert_eq!(found(&told, 3, 50), Some("/bin/sh"));
        told.push(3, 60, What::Executed);
        assert_eq!(found(&told, 3, 70), None);
    }

    #[test]
    fn a_process_is_what_it_was_until_it_ends_or_runs_another_program() {
        let mut told = Told::default();
        map(&mut told, 1, 10, "/bin/sh");
        assert!(told.is_current(1, 15) && told.is_current(2, 15));
        told.push(1, 20, What::Executed);
        map(&mut told, 1, 30, "/bin/dd");
        assert!(!told.is_current(1, 15) && told.is_current(1, 25));
        told.end(1, 40);
        assert!(!told.is_current(1, 25));
        // Another process with this PID.
        told.push(1, 50, What::Forked(7));
        assert!(!told.is_current(1, 25) && told.is_current(1, 55));
    }

    /// This test program, whose start was not seen.
    #[test]
    fn what_was_mapped_before_comes_from_proc() {
        let mut mappings = Mappings { samplers: Vec::new(), told: Told::default(), asked: HashSet::new() };
        let (own, child, code) =
            (std::process::id(), u32::MAX, process_maps as fn(u32) -> Vec<MemoryMap> as usize as u64);
        // It maps more before the first lookup.
        map(&mut mappings.told, own, 10, "/lib/later.so");
        mappings.told.push(child, 20, What::Forked(own));
        mappings.ask(child);
        for pid in [own, child] {
            let (file, _) = mappings.find(pid, 30, code).expect("this function's code");
            assert_eq!(file.path(), std::env::current_exe().ok().as_deref());
            assert_eq!(found(&mappings.told, pid, 30), Some("/lib/later.so"));
        }
    }

    #[test]
    fn who_runs_a_program_that_was_told_is_not_asked() {
        let mut mappings = Mappings { samplers: Vec::new(), told: Told::default(), asked: HashSet::new() };
        mappings.told.push(std::process::id(), 10, What::Executed);
        mappings.ask(std::process::id());
        assert_eq!(mappings.told.processes[&std::process::id()].len(), 1);
    }

    #[test]
    fn cpus_may_be_read_in_any_order() {
        let mut told = Told::default();
        map(&mut told, 2, 30, "/bin/dd");
        told.push(2, 20, What::Executed);
        told.push(2, 15, What::Forked(1));
        map(&mut told, 1, 10, "/bin/sh");
        assert_eq!([17, 35].map(|at_ns| found(&told, 2, at_ns)), [Some("/bin/sh"), Some("/bin/dd")]);
    }

    #[test]
    fn what_is_no_file_hides_what_was() {
        let mut told = Told::default();
        map(&mut told, 1, 10, "/lib/closed.so");
        told.push(1, 20, What::Mapped { addresses: CODE..CODE + 2 * PAGE, offset: 0, file: None });
        assert_eq!(found(&told, 1, 30), None);
    }

    #[test]
    fn no_more_is_kept_than_stated() {
        let mut told = Told::default();
        for number in 0..2 * CHANGES as u64 {
            map(&mut told, 1, number, "/lib/jit.so");
        }
        assert_eq!(told.processes[&1].len(), CHANGES);
        let mut told = Told::default();
        for pid in 0..2 * ENDED as u32 {
            map(&mut told, pid, 0, "/bin/true");
            told.end(pid, 10);
            if pid == 5 {
                map(&mut told, pid, 20, "/bin/with-the-same-number");
            }
        }
        assert_eq!((told.processes.len(), told.ended.len()), (ENDED + 1, ENDED));
        assert_eq!((found(&told, 5, 15), found(&told, 5, 25)), (None, Some("/bin/with-the-same-number")));
    }
}
