//! The perf maps of processes: finds, checks and reads /tmp/perf-PID.map. The traced process controls the file, and this
//! process may be root, so [`open`] trusts neither path nor contents. What lines mean is [`super::perf_map`]'s.
//!
//! blazesym's own reader of perf maps is switched off. It opens the path of any owner: a FIFO blocks it, and it follows
//! a symbolic link. It maps the file into memory; the process can truncate the file, which ends this process by SIGBUS.
//! It rejects the whole file for one malformed line. Of two overlapping lines, the first wins.

use std::{
    fmt, fs,
    fs::File,
    io,
    os::{fd::AsRawFd as _, unix::fs::FileExt as _, unix::fs::MetadataExt as _},
    sync::Arc,
};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use super::perf_map::PerfMap;
use crate::{clock, live::process_start, model::bounded::lru::Lru, text};

/// Limit of processes whose maps are held, each with an open file.
const PROCESSES: usize = 256;
/// Limit of all maps together, bytes; beyond it all are evicted, and read again.
const BYTES: usize = 256 << 20;
/// Limit of a file, bytes. A large Java program writes about 10 MiB.
const FILE_BYTES: u64 = 64 << 20;
/// Limit of bytes read from a file at a time, and from all files within [`WINDOW_NS`]: the rings fill meanwhile.
const READ_BYTES: u64 = 8 << 20;
const WINDOW_BYTES: u64 = 64 << 20;
const WINDOW_NS: u64 = 1_000_000_000;
/// Shortest time between two looks at a file, and longest between two looks for a missing file, ns.
const LOOK_NS: u64 = 20_000_000;
const SEARCH_NS: u64 = 1_000_000_000;
/// A map that was last written so long before its process started is of an earlier process with this PID, ns.
const STALE_NS: i64 = 1_000_000_000;

/// A process from one exec or fork to the next: its PID, and when that was, by the boot clock.
pub(super) type Program = (u32, u64);

/// The maps of all processes that were seen.
pub(super) struct PerfMaps {
    maps: Lru<Program, Followed>,
    /// Start of the current window, and bytes read in it.
    window: (u64, u64),
    rejected: Rejected,
}

/// Why to look at a map.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The process has a new stack, mostly without generated code.
    NewStack,
    /// A function of generated code has no name.
    Unnamed,
}

/// What was not used of perf maps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    /// Files, and why the first was rejected.
    pub files: u64,
    pub first: Option<String>,
    /// Lines that are not in the format.
    pub lines: u64,
    /// Functions without room.
    pub functions: u64,
}

impl Rejected {
    /// What was not used, a sentence each.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        let files = self.first.as_ref().map(|first| match self.files {
            1 => format!("perf map ignored ({first})"),
            files => format!("{files} perf maps ignored (the first: {first})"),
        });
        let counted = |count, of, why| (count > 0).then(|| format!("{} of perf maps {why}", text::count(count, of)));
        let lines = counted(self.lines, "line", "ignored, not in the format");
        files.into_iter().chain(lines).chain(counted(self.functions, "function", "evicted, no room")).collect()
    }
}

/// Why a file is not used.
#[derive(Debug, PartialEq, Eq)]
enum Reason {
    NotRegular,
    Owner { file: u32, process: u32 },
    Stale,
    TooLarge,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRegular => write!(f, "not a regular file"),
            Self::Owner { file, process } => write!(f, "owned by user {file}, not by the process's user {process}"),
            Self::Stale => write!(f, "written before the process started"),
            Self::TooLarge => write!(f, "larger than {} MiB; the rest is ignored", FILE_BYTES >> 20),
        }
    }
}

/// The map of one process.
#[derive(Default)]
struct Followed {
    file: Option<File>,
    /// Bytes read so far.
    read: u64,
    map: PerfMap,
    /// Time of the last look, and how long to wait for the next.
    looked_ns: Option<u64>,
    wait_ns: u64,
    /// A rejected file is reported once.
    is_rejected: bool,
    /// Changes with the contents.
    version: u64,
}

impl PerfMaps {
    pub(super) fn new() -> Self {
        Self { maps: Lru::new(PROCESSES), window: (0, 0), rejected: Rejected::default() }
    }

    /// Opens a process's map, if it has one and it is time to look, and reads what was added to it. The file stays open:
    /// what the process wrote last is read after its exit. Returns the version of the contents.
    pub(super) fn look(&mut self, program: Program, now_ns: u64, why: Why) -> u64 {
        let followed = self.maps.entry(&program, Followed::default, |_, _| {});
        let wait_ns = if why == Why::Unnamed { LOOK_NS } else { followed.wait_ns };
        if followed.looked_ns.is_some_and(|looked_ns| now_ns < looked_ns + wait_ns) {
            return followed.version;
        }
        if now_ns.saturating_sub(self.window.0) > WINDOW_NS {
            self.window = (now_ns, 0);
        }
        if self.window.1 >= WINDOW_BYTES {
            return followed.version;
        }
        let before = (followed.map.malformed, followed.map.evicted);
        let seen = followed.look(program.0, now_ns);
        self.rejected.lines += followed.map.malformed - before.0;
        self.rejected.functions += followed.map.evicted - before.1;
        let version = followed.version;
        match seen {
            Ok(bytes) => {
                self.window.1 += bytes;
                if bytes > 0 {
                    log::debug!("read {bytes} bytes of the perf map of process {}", program.0);
                }
            }
            Err(reason) => self.reject(program.0, &reason),
        }
        if self.maps.iter().map(|(_, followed)| followed.map.bytes()).sum::<usize>() > BYTES {
            self.maps = Lru::new(PROCESSES);
        }
        version
    }

    /// The version of a program's map, as far as it was read.
    pub(super) fn version(&self, program: Program) -> u64 {
        self.maps.get(&program).map_or(0, |followed| followed.version)
    }

    /// Looks at the maps of those programs that were seen and still run, if it is time to: the thread that has their stacks
    /// waits.
    pub(super) fn look_at_all(&mut self, now_ns: u64, runs: impl Fn(Program) -> bool) {
        let programs: Vec<_> = self.maps.iter().map(|(program, _)| *program).filter(|program| runs(*program)).collect();
        for program in programs {
            self.look(program, now_ns, Why::NewStack);
        }
    }

    /// The function at an address of a process, as far as its map was read.
    pub(super) fn find(&self, program: Program, addr: u64) -> Option<Arc<str>> {
        self.maps.get(&program)?.map.find(addr).cloned()
    }

    /// What was not used so far.
    pub(super) fn rejected(&self) -> &Rejected {
        &self.rejected
    }

    fn reject(&mut self, pid: u32, reason: &Reason) {
        self.rejected.files += 1;
        let text = format!("process {pid}: {reason}");
        log::debug!("perf map ignored: {text}");
        self.rejected.first.get_or_insert(text);
    }
}

impl Followed {
    /// Returns the number of bytes read.
    fn look(&mut self, pid: u32, now_ns: u64) -> Result<u64, Reason> {
        if self.is_rejected {
            return Ok(0);
        }
        let read = self.open(pid).and_then(|()| self.read());
        // A missing file may be written later, a rejected one is not looked at again.
        self.is_rejected = read.is_err();
        self.wait_ns = if self.file.is_some() { LOOK_NS } else { (2 * self.wait_ns).clamp(LOOK_NS, SEARCH_NS) };
        self.looked_ns = Some(now_ns);
        read
    }

    fn open(&mut self, pid: u32) -> Result<(), Reason> {
        if self.file.is_none() {
            self.file =
                open(pid).inspect_err(|error| log::trace!("no perf map of process {pid}: {error}")).ok().transpose()?;
        }
        Ok(())
    }

    /// Reads what was added.
    fn read(&mut self) -> Result<u64, Reason> {
        let Some(file) = &self.file else { return Ok(0) };
        // Files without a size, such as those of /proc, are not read.
        let size = file.metadata().map_or(0, |metadata| metadata.len());
        if size < self.read {
            // Written anew.
            (self.read, self.map) = (0, PerfMap::default());
        }
        let mut bytes = vec![0; usize::try_from((size.min(FILE_BYTES) - self.read).min(READ_BYTES)).unwrap_or(0)];
        let count = file.read_at(&mut bytes, self.read).unwrap_or(0);
        self.map.add(&bytes[..count]);
        self.read += count as u64;
        self.version += u64::from(count > 0);
        if self.read >= FILE_BYTES && size > FILE_BYTES { Err(Reason::TooLarge) } else { Ok(count as u64) }
    }
}

/// Opens the map that a process wrote: in its own root directory, with its PID as it sees it. An error of the kernel is
/// mostly that there is none.
fn open(pid: u32) -> io::Result<Result<File, Reason>> {
    // From here on it is this process, also if the PID is reused.
    let process = File::open(format!("/proc/{pid}"))?;
    let status = read_in(&process, "status")?;
    let own = |key| last_number(&status, key).ok_or(io::ErrorKind::InvalidData);
    let (own_pid, uid) = (own("NSpid:")?, effective_uid(&status).ok_or(io::ErrorKind::InvalidData)?);
    let root = openat2(&process, "root", OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::empty())?;
    // The name alone first: opening a FIFO blocks, and opening a device can have effects. A process in a container has its
    // own root, whose links must not lead out of it.
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let path = File::from(openat2(&root, format!("tmp/perf-{own_pid}.map"), flags, Mode::empty(), resolve)?);
    let metadata = path.metadata()?;
    if let Err(reason) = check(&metadata, uid, started_wall_ns(&process)) {
        return Ok(Err(reason));
    }
    Ok(Ok(File::open(format!("/proc/self/fd/{}", path.as_raw_fd()))?))
}

/// Whether only the process itself or root can have written the file.
fn check(metadata: &fs::Metadata, uid: u32, started_wall_ns: Option<i64>) -> Result<(), Reason> {
    if !metadata.is_file() {
        return Err(Reason::NotRegular);
    }
    if ![0, uid].contains(&metadata.uid()) {
        return Err(Reason::Owner { file: metadata.uid(), process: uid });
    }
    let written_ns = metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
    if started_wall_ns.is_some_and(|started_ns| written_ns.saturating_add(STALE_NS) < started_ns) {
        return Err(Reason::Stale);
    }
    Ok(())
}

/// When a process started, by the wall clock.
fn started_wall_ns(process: &File) -> Option<i64> {
    let started_ns = process_start::started_ns(&read_in(process, "stat").ok()?)?;
    i64::try_from(started_ns).ok()?.checked_add(clock::wall_offset_ns())
}

fn read_in(process: &File, name: &str) -> io::Result<String> {
    let file = openat2(process, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::empty())?;
    let bytes = io::read_to_string(File::from(file))?;
    Ok(bytes)
}

/// The last number of a line of /proc/PID/status: of the innermost PID namespace.
fn last_number(status: &str, key: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix(key))?.split_ascii_whitespace().next_back()?.parse().ok()
}

/// The effective user ID, which owns files that a process writes.
fn effective_uid(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests;
