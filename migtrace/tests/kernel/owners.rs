//! Whose pages: a recording of a process has what others did to its pages, and nothing about other processes' pages.
//! Each test compares the migrated pages with move_pages(2), or the touched ones with what was written.

use std::{collections::BTreeSet, fs, io, path::Path, process::Command};

use migtrace::event::{Cause, Event, FaultClass, Migrate, Outcome, Owner, RequestName};

use crate::{
    holder::Holder,
    offline_and_contiguous::Blocks,
    recorder::{ChildGuard, Recorder, wait_for},
    requirements::needs,
    support::{PAGE, Run, Script},
};

const PAGES: usize = 64;

/// Records a process while `act` migrates its pages.
pub(crate) fn record_owner(holder: &Holder, act: impl FnOnce()) -> Run {
    let recorder = Recorder::attached(&["--pid", &holder.pid().to_string()]);
    act();
    recorder.signal(libc::SIGINT);
    let run = recorder.finish();
    run.assert_account();
    run
}

/// Asserts that each page of the holder has exactly one migration: with this cause, from its node to where it is now.
/// Asserts that no page of another process has one. Returns them.
fn assert_migrations<'a>(run: &'a Run, holder: &Holder, cause: Cause) -> Vec<(&'a Event, &'a Migrate)> {
    let migrations = run.migrations();
    for (event, _) in &migrations {
        assert_eq!(event.owner().map(|owner| owner.process.pid), Some(holder.pid()), "{event:?}");
    }
    for (page, node) in holder.pages().zip(holder.nodes()) {
        let found: Vec<_> = migrations.iter().filter(|(_, m)| m.addr == Some(page)).collect();
        let [(event, moved)] = found.as_slice() else { panic!("{page:#x} on node {node}: {found:#?}") };
        assert_eq!((moved.cause, moved.result), (cause, Outcome::Ok), "{event:?}");
        assert_eq!((moved.src_nid, moved.dst_nid, moved.mappings), (holder.node, Some(node), Some(1)), "{event:?}");
    }
    migrations
}

#[test]
fn pages_that_another_process_moves_are_in_the_trace_of_their_owner() {
    // Pages of a process that is not recorded, which the same thread moves.
    let (holder, other) = (Holder::of(PAGES, 1), Holder::of(PAGES, 1));
    let run = record_owner(&holder, || {
        other.move_to(3);
        holder.move_to(2);
    });
    let me = std::process::id();
    for (event, _) in assert_migrations(&run, &holder, Cause::MovePages) {
        assert_eq!((event.pid, event.owner == Owner::Actor), (me, false), "{event:?}");
        let owner = event.owner().unwrap();
        assert_eq!(owner.comm.to_string(), "migtrace");
        assert_ne!((owner.process.start_ns, owner.cgroup_id), (None, 0));
    }
    assert!(run.requests().is_empty(), "the caller is not recorded: {:?}", run.requests());
    assert_eq!(run.migrations().len(), PAGES);
}

#[test]
fn pages_that_another_process_migrates_by_node_are_in_the_trace_of_their_owner() {
    let holder = Holder::of(PAGES, 1);
    let run = record_owner(&holder, || {
        let (from, to) = (1_u64 << 1, 1_u64 << 3);
        // SAFETY: the kernel reads one word of each mask.
        let left =
            unsafe { libc::syscall(libc::SYS_migrate_pages, holder.pid(), 64_u64, &raw const from, &raw const to) };
        assert_eq!(left, 0, "migrate_pages: {}", io::Error::last_os_error());
    });
    let migrations = assert_migrations(&run, &holder, Cause::MigratePages);
    assert!(migrations.len() >= PAGES, "the program's own pages on node 1 migrate, too");
}

#[test]
fn pages_that_follow_a_cpuset_are_in_the_trace_of_their_process() {
    let cpuset = Cpuset::with_memory("1");
    let holder = Holder::of(PAGES, 1);
    fs::write(cpuset.0.join("cgroup.procs"), holder.pid().to_string()).unwrap();
    let run = record_owner(&holder, || {
        fs::write(cpuset.0.join("cpuset.mems"), "2").unwrap();
        wait_for("the pages on node 2", || (holder.nodes() == vec![2; PAGES]).then_some(()));
    });
    for (event, _) in assert_migrations(&run, &holder, Cause::Cpuset) {
        assert!(event.comm.to_string().starts_with("kworker"), "{event:?}");
    }
}

#[test]
fn pages_that_leave_offline_memory_are_in_the_trace_of_their_process() {
    needs!(memory_blocks);
    let blocks = Blocks::of_node(3);
    let holder = Holder::of(PAGES, 3);
    let run = record_owner(&holder, || {
        let offline = format!("set -e; for block in {blocks}; do echo offline > $block/state; done");
        assert!(Command::new("sh").args(["-c", &offline]).status().unwrap().success());
    });
    assert_migrations(&run, &holder, Cause::Hotplug);
}

#[test]
fn pages_that_are_compacted_are_in_the_trace_of_their_process() {
    let holder = Holder::of(PAGES, 1);
    let frames = holder.frames();
    let run = record_owner(&holder, || fs::write("/proc/sys/vm/compact_memory", "1").unwrap());
    let changed = holder.frames().iter().zip(&frames).filter(|(now, before)| now != before).count();
    let migrations = run.migrations();
    let pages: BTreeSet<_> = holder.pages().collect();
    for (event, moved) in &migrations {
        assert_eq!(event.owner().map(|owner| owner.process.pid), Some(holder.pid()), "{event:?}");
        assert_eq!(moved.cause, Cause::Compaction, "{event:?}");
    }
    let moved: BTreeSet<_> =
        migrations.iter().filter(|(_, m)| m.result == Outcome::Ok).filter_map(|(_, m)| m.addr).collect();
    let of_segment = moved.iter().filter(|page| pages.contains(page)).count();
    // A page can be compacted twice, and be back in its frame only if that is free.
    assert!(of_segment >= changed, "{of_segment} pages migrated, {changed} are in another frame");
    assert_eq!(of_segment == 0, changed == 0);
}

#[test]
fn pages_that_are_softly_taken_offline_have_their_cause() {
    needs!(memory_failure);
    let script = "anon seg 4p\nmap seg\nmbind seg preferred 1\ntouch seg write\nmadvise seg soft_offline\nverify seg\n";
    let run = Recorder::start(&[], &Script::new(script).argv()).finish();
    let causes: Vec<_> = run.migrations().iter().map(|(_, m)| (m.cause, m.result)).collect();
    assert_eq!(causes, [(Cause::MemoryFailure, Outcome::Ok); 4]);
}

#[test]
fn a_fault_in_another_process_names_actor_and_owner() {
    let script = Script::new("anon seg 8p\nmap seg\nshow seg\nsnooze 600\n");
    let (read, write) = io::pipe().unwrap();
    let owner = ChildGuard::start(script.command().stdout(write));
    let shown = io::BufRead::lines(io::BufReader::new(read)).map(Result::unwrap).find(|l| l.starts_with("a 0x"));
    let start = shown.unwrap().split_whitespace().nth(1).unwrap().trim_start_matches("0x").to_owned();
    let start = u64::from_str_radix(&start, 16).unwrap();

    let recorder = Recorder::attached(&["--pid", &owner.0.id().to_string()]);
    let bytes = [7_u8; 8 * PAGE as usize];
    let local = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let remote = libc::iovec { iov_base: start as *mut libc::c_void, iov_len: bytes.len() };
    // SAFETY: both ranges have that length, and the kernel only reads the local one.
    let written = unsafe { libc::process_vm_writev(owner.0.id() as i32, &raw const local, 1, &raw const remote, 1, 0) };
    assert_eq!(written, bytes.len() as isize, "{}", io::Error::last_os_error());
    recorder.signal(libc::SIGINT);
    let run = recorder.finish();

    let faults = run.faults();
    let me = std::process::id();
    assert_eq!(faults.len(), 8, "{faults:#?}");
    for (n, (event, fault)) in faults.iter().enumerate() {
        assert_eq!((fault.addr, fault.class), (start + n as u64 * PAGE, Some(FaultClass::Anon)));
        assert_eq!((event.pid, event.owner().map(|o| o.process.pid)), (me, Some(owner.0.id())), "{event:?}");
    }
    run.assert_account();
}

#[test]
fn actor_and_owner_can_both_be_selected() {
    let holder = Holder::of(PAGES, 1);
    let (pid, me) = (holder.pid(), std::process::id());
    let count = |filter: &str| {
        let recorder = Recorder::attached(&["--filter", filter]);
        holder.move_to(if holder.nodes()[0] == 1 { 2 } else { 1 });
        recorder.signal(libc::SIGINT);
        let run = recorder.finish();
        (run.migrations().len(), run.requests().iter().filter(|(_, r)| r.name == RequestName::MovePages).count())
    };
    assert_eq!(count(&format!("kind == migrate && owner_pid == {pid}")), (PAGES, 0));
    assert_eq!(count(&format!("kind == migrate && pid == {pid}")), (0, 0));
    assert_eq!(count(&format!("kind == migrate && pid == {me} && owner_pid == {pid}")), (PAGES, 0));
    assert_eq!(count("kind == migrate && owner_comm == \"migtrace\" && mappings == 1").0, PAGES);
    // The test itself queries the nodes by move_pages(2), too.
    let (moved, calls) = count(&format!("pid == {me} && kind in [migrate, request]"));
    assert!(moved == PAGES && calls >= 1, "{moved} {calls}");
}

/// A cgroup with a cpuset. It is removed on drop, after its processes have ended.
struct Cpuset(std::path::PathBuf);

impl Cpuset {
    fn with_memory(nodes: &str) -> Self {
        let root = Path::new("/sys/fs/cgroup");
        fs::write(root.join("cgroup.subtree_control"), "+cpuset").unwrap();
        let cgroup = Self(root.join("migtrace-cpuset"));
        fs::create_dir(&cgroup.0).unwrap();
        fs::write(cgroup.0.join("cpuset.mems"), nodes).unwrap();
        cgroup
    }
}

impl Drop for Cpuset {
    fn drop(&mut self) {
        // Its process is killed by an earlier drop, and leaves it a moment later.
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}
