//! The perf maps of processes: finds, checks and reads /tmp/perf-PID.map. The traced process controls the file, and this
//! process may be root, so [`open`] trusts neither path nor contents. What lines mean is [`super::perf_map`]'s.
//!
//! blazesym reads perf maps, too, but not these: it opens the path whoever owns it (a FIFO blocks it, a symbolic link is
//! followed), maps the file into memory (the process can truncate it, which ends this process by SIGBUS), rejects the whole
//! file for one malformed line, and lets the first of two overlapping lines win.

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
            Ok(bytes) => self.window.1 += bytes,
            Err(reason) => self.reject(program.0, &reason),
        }
        if self.maps.iter().map(|(_, followed)| followed.map.bytes()).sum::<usize>() > BYTES {
            self.maps = Lru::new(PROCESSES);
        }
        version
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
mod tests {
    use std::{
        io::Write as _,
        os::unix::fs::{chown, symlink},
        path::{Path, PathBuf},
        process::{Child, Command, Stdio},
        thread,
        time::{Duration, Instant},
    };

    use rustix::fs::{FileType, mknodat};

    use super::*;

    /// A process, and the path of its map, which is removed with it.
    struct Traced(Child, PathBuf);

    impl Traced {
        fn start() -> Self {
            let child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
            let path = PathBuf::from(format!("/tmp/perf-{}.map", child.id()));
            let _ = fs::remove_file(&path);
            Self(child, path)
        }

        fn program(&self) -> Program {
            (self.0.id(), 0)
        }

        fn path(&self) -> &Path {
            &self.1
        }
    }

    impl Drop for Traced {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
            let _ = fs::remove_file(&self.1);
        }
    }

    /// Looks once, at once.
    fn rejected(traced: &Traced) -> (Option<String>, PerfMaps) {
        let mut maps = PerfMaps::new();
        let began = Instant::now();
        maps.look(traced.program(), 1, Why::NewStack);
        assert!(began.elapsed() < Duration::from_secs(5), "a look must not block");
        let reason = maps.rejected().first.clone().map(|text| text.split_once(": ").unwrap().1.to_owned());
        (reason, maps)
    }

    fn name(maps: &PerfMaps, traced: &Traced, addr: u64) -> Option<Arc<str>> {
        maps.find(traced.program(), addr)
    }

    #[test]
    fn a_map_that_grows_is_read_on_also_after_the_exit() {
        let mut traced = Traced::start();
        let mut maps = PerfMaps::new();
        assert_eq!(maps.look(traced.program(), 1, Why::NewStack), 0, "there is none yet");
        let mut file = File::create(traced.path()).unwrap();
        file.write_all(b"1000 10 first\n").unwrap();
        assert_eq!(maps.look(traced.program(), 2, Why::NewStack), 0, "too early for another look");
        let second = maps.look(traced.program(), 1 + LOOK_NS, Why::NewStack);
        assert_eq!((second, name(&maps, &traced, 0x1008).as_deref()), (1, Some("first")));
        file.write_all(b"1000 10 later\n2000 10 last\n").unwrap();
        traced.0.kill().unwrap();
        traced.0.wait().unwrap();
        fs::remove_file(traced.path()).unwrap();
        assert_eq!(maps.look(traced.program(), 1 + 3 * LOOK_NS, Why::NewStack), 2);
        let found = [0x1000, 0x2000].map(|addr| name(&maps, &traced, addr));
        assert_eq!(found.map(|name| name.unwrap().to_string()), ["later", "last"]);
        assert_eq!(maps.rejected(), &Rejected::default());
    }

    #[test]
    fn a_map_that_is_written_anew_replaces_the_earlier() {
        let traced = Traced::start();
        let mut maps = PerfMaps::new();
        fs::write(traced.path(), "1000 10 first\n2000 10 second\n").unwrap();
        maps.look(traced.program(), 1, Why::NewStack);
        fs::write(traced.path(), "1000 10 new\n").unwrap();
        maps.look(traced.program(), 1 + LOOK_NS, Why::NewStack);
        let found = [0x1000, 0x2000].map(|addr| name(&maps, &traced, addr));
        assert_eq!(found, [Some("new".into()), None]);
    }

    #[test]
    fn what_is_no_regular_file_is_neither_followed_nor_opened() {
        let traced = Traced::start();
        for target in ["/dev/zero", "/proc/kallsyms", "/etc/passwd"] {
            symlink(target, traced.path()).unwrap();
            assert_eq!(rejected(&traced).0.as_deref(), Some("not a regular file"), "{target}");
            fs::remove_file(traced.path()).unwrap();
        }
        mknodat(rustix::fs::CWD, traced.path(), FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
        assert_eq!(rejected(&traced).0.as_deref(), Some("not a regular file"), "a FIFO");
    }

    #[test]
    fn a_map_of_another_user_is_rejected() {
        let traced = Traced::start();
        fs::write(traced.path(), "1000 10 hostile\n").unwrap();
        if chown(traced.path(), Some(4711), None).is_err() {
            // Only root can give files away; `check` is tested without it.
            return;
        }
        let (reason, maps) = rejected(&traced);
        assert_eq!(reason.as_deref(), Some("owned by user 4711, not by the process's user 0"));
        assert_eq!(name(&maps, &traced, 0x1000), None);
        assert_eq!(maps.rejected().texts().len(), 1);
    }

    #[test]
    fn only_its_user_and_root_may_own_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (metadata, own) = (file.as_file().metadata().unwrap(), rustix::process::geteuid().as_raw());
        assert_eq!(check(&metadata, own, None), Ok(()));
        let other = check(&metadata, own + 1, None);
        assert_eq!(other.is_ok(), own == 0, "{other:?}");
        let now_ns = metadata.mtime() * 1_000_000_000;
        assert_eq!(check(&metadata, own, Some(now_ns)), Ok(()));
        assert_eq!(check(&metadata, own, Some(now_ns + 3 * STALE_NS)), Err(Reason::Stale));
    }

    #[test]
    fn a_map_of_an_earlier_process_with_this_pid_is_rejected() {
        let traced = Traced::start();
        fs::write(traced.path(), "1000 10 earlier\n").unwrap();
        let yesterday = std::time::SystemTime::now() - Duration::from_secs(86400);
        File::options().write(true).open(traced.path()).unwrap().set_modified(yesterday).unwrap();
        assert_eq!(rejected(&traced).0.as_deref(), Some("written before the process started"));
    }

    #[test]
    fn a_huge_map_is_read_in_parts_and_up_to_a_limit() {
        let traced = Traced::start();
        fs::write(traced.path(), "1000 10 first\n").unwrap();
        File::options().write(true).open(traced.path()).unwrap().set_len(1 << 40).unwrap();
        let (reason, mut maps) = rejected(&traced);
        assert_eq!((reason, name(&maps, &traced, 0x1000)), (None, Some("first".into())));
        let read = |maps: &PerfMaps| maps.maps.get(&traced.program()).map(|followed| followed.read);
        assert_eq!(read(&maps), Some(READ_BYTES));
        for look in 1..100 {
            maps.look(traced.program(), 1 + look * WINDOW_NS * 2, Why::NewStack);
        }
        assert_eq!(read(&maps), Some(FILE_BYTES));
        assert_eq!(maps.rejected().files, 1);
        assert!(maps.rejected().texts()[0].contains("larger than 64 MiB"), "{:?}", maps.rejected().texts());
    }

    #[test]
    fn lines_without_the_format_are_reported() {
        let traced = Traced::start();
        let mut garbage: Vec<u8> = (0..1 << 16).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        garbage.extend(b"\n1000 10 good\n");
        fs::write(traced.path(), &garbage).unwrap();
        let (_, maps) = rejected(&traced);
        assert_eq!(name(&maps, &traced, 0x1000).as_deref(), Some("good"));
        assert!(maps.rejected().lines > 0);
        assert!(maps.rejected().texts()[0].ends_with("of perf maps ignored, not in the format"));
    }

    /// In a mount and PID namespace of its own, as in a container.
    #[test]
    fn a_process_in_a_container_has_its_own_tmp_and_pid() {
        let script = "mount -t tmpfs none /tmp && echo '1000 10 inside' > /tmp/perf-$$.map && exec sleep 600";
        let mut unshare = Command::new("unshare");
        let unshare = unshare.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script]);
        let mut child = unshare.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let inside = || {
            let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).ok()?;
            let pid: u32 = children.trim().parse().ok()?;
            (fs::read_to_string(format!("/proc/{pid}/comm")).ok()? == "sleep\n").then_some(pid)
        };
        let mut tries = (0..100).map(|_| {
            thread::sleep(Duration::from_millis(20));
            inside()
        });
        let pid = tries.find_map(|pid| pid);
        let mut maps = PerfMaps::new();
        let found = pid.and_then(|pid| {
            maps.look((pid, 0), 1, Why::NewStack);
            maps.find((pid, 0), 0x1000)
        });
        child.kill().unwrap();
        child.wait().unwrap();
        // Without privilege there is no such process.
        assert!(pid.is_none() || found.as_deref() == Some("inside"), "{pid:?} {found:?} {:?}", maps.rejected());
        assert!(pid.is_some() || !rustix::process::geteuid().is_root());
    }
}
