//! Maps of processes that write what they should not.

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

/// A program that executed another has the same PID, so that both have the same path.
#[test]
fn the_map_of_a_later_program_is_not_that_of_an_earlier() {
    let traced = Traced::start();
    let mut maps = PerfMaps::new();
    let (earlier, later) = (traced.program(), (traced.program().0, 5));
    for program in [earlier, later] {
        maps.look(program, 1, Why::NewStack);
    }
    fs::write(traced.path(), "1000 10 later\n").unwrap();
    maps.look_at_all(1 + LOOK_NS, |program| program == later);
    assert_eq!([earlier, later].map(|program| maps.version(program)), [0, 1]);
    assert_eq!((maps.find(earlier, 0x1000), maps.find(later, 0x1000)), (None, Some("later".into())));
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
