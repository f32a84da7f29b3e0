//! Workloads with known counts by cause and pair of nodes. The trace, the increase of /proc/vmstat and ftrace must all
//! have exactly these counts.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    fs,
    io::Write,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use migtrace::event::{Body, Cause, FaultClass, Outcome, ProbeField, RequestName, TaskEvent, Verdict};

use crate::{
    recorder::{ChildGuard, Recorder, TIMEOUT},
    requirements::needs,
    support::{PAGE, PAGES, Run, Script, WRITTEN_ON_1, assert_nested, migtrace, record},
};

/// Builds expected counts of migrated pages, by cause and nodes.
pub(crate) fn pages<const N: usize>(counts: [(Cause, i32, i32, u64); N]) -> BTreeMap<(Cause, i32, Option<i32>), u64> {
    counts.into_iter().map(|(cause, from, to, pages)| ((cause, from, Some(to)), pages)).collect()
}

/// Asserts that the trace agrees with all independent counters. The workload must run alone on the machine.
pub(crate) fn assert_reconciled(run: &Run) {
    assert_reconciled_with_freed(run, 0);
}

/// The same, for a workload that freed `expected_freed` pages before their migration.
pub(crate) fn assert_reconciled_with_freed(run: &Run, expected_freed: u64) {
    run.assert_lossless();
    run.assert_account();
    run.assert_counters_with_freed(expected_freed);
    run.assert_ftrace_agrees();
}

/// Returns the start of the segment in the script's first mbind.
pub(crate) fn segment_start(run: &Run) -> u64 {
    let requests = run.requests();
    requests.iter().find(|(_, r)| r.name == RequestName::Mbind).and_then(|(_, r)| r.addr).unwrap()
}

#[test]
fn mbind_migrations_are_recorded_by_pair_of_nodes() {
    let moves = "mbind seg bind+move 2\nmbind seg 4p bind+move 0\nmbind seg interleave+move 0,3\nwhere seg\n";
    let run = record(&format!("{WRITTEN_ON_1}{moves}"));
    // The last mbind migrates only pages that are on neither of its nodes, and interleaves them.
    let expected = [(Cause::Mbind, 1, 2, 8), (Cause::Mbind, 2, 0, 4 + 2), (Cause::Mbind, 2, 3, 2)];
    assert_eq!(run.migrated_pages(), pages(expected));
    assert!(run.ended.stdout.contains("8 pages: node 0: 6, node 3: 2"), "{}", run.ended.stdout);
    assert_reconciled(&run);
}

#[test]
fn move_pages_migrates_each_page_to_its_own_node() {
    let run = record(&format!("{WRITTEN_ON_1}move seg to 0,2\nwhere seg\n"));
    assert_eq!(run.migrated_pages(), pages([(Cause::MovePages, 1, 0, 4), (Cause::MovePages, 1, 2, 4)]));
    let start = segment_start(&run);
    for (event, moved) in run.migrations() {
        let page = (moved.addr.unwrap() - start) / PAGE;
        assert_eq!(moved.dst_nid, Some(if page.is_multiple_of(2) { 0 } else { 2 }), "{moved:?}");
        let requests = run.requests();
        let (request, _) = requests.iter().find(|(_, r)| r.name == RequestName::MovePages).unwrap();
        assert_nested(event, request);
    }
    assert_reconciled(&run);
}

#[test]
fn migrate_pages_migrates_all_pages_of_a_process_on_a_node() {
    let run = record(&format!("{WRITTEN_ON_1}migrate 2 1\nwhere seg\n"));
    assert!(run.ended.stdout.contains("8 pages: node 2: 8"), "{}", run.ended.stdout);
    let counts = run.migrated_pages();
    assert_eq!(counts.keys().collect::<Vec<_>>(), [&(Cause::MigratePages, 1, Some(2))]);
    // The program's own pages on that node migrate too, so only those of the segment are counted.
    let start = segment_start(&run);
    let inside = |addr: u64| (start..start + PAGES * PAGE).contains(&addr);
    let moved = run.migrations().iter().filter(|(_, m)| m.addr.is_some_and(inside)).count() as u64;
    assert_eq!(moved, PAGES);
    assert_reconciled(&run);
}

#[test]
fn a_huge_page_counts_as_512_pages() {
    needs!(huge_pages);
    let run = record(
        "anon seg 2m huge\nmap seg\nmbind seg preferred 1\ntouch seg 0 1p write\nmbind seg bind+move 2\nwhere seg\n",
    );
    assert_eq!(run.migrated_pages(), pages([(Cause::Mbind, 1, 2, 512)]));
    let moves = run.migrations();
    let (_, moved) = moves[0];
    assert_eq!((moves.len(), moved.order, moved.addr), (1, 9, Some(segment_start(&run))));
    assert_eq!(run.ended.vmstat["thp_migration_success"], 1);
    let faults = run.faults();
    let (_, first) = faults.iter().find(|(_, f)| f.addr & !(PAGE - 1) == segment_start(&run)).unwrap();
    assert_eq!((first.class, first.nid), (Some(FaultClass::Huge), Some(1)));
    assert_reconciled(&run);
}

#[test]
fn a_pinned_page_does_not_migrate_and_counts_as_failed() {
    let moves = "pin seg 2p 1p\nmbind seg bind+move 2\nwhere seg\n!mbind seg bind+move+strict 2\nunpin seg\nmbind seg bind+move 2\n";
    let run = record(&format!("{WRITTEN_ON_1}{moves}"));
    assert!(run.ended.stdout.contains("8 pages: node 1: 1, node 2: 7"), "{}", run.ended.stdout);
    assert!(run.ended.stdout.contains("mbind failed as expected: EIO"), "{}", run.ended.stdout);
    assert_eq!(run.migrated_pages(), pages([(Cause::Mbind, 1, 2, 8)]));
    let batches: Vec<_> = run.batches().iter().map(|(_, b)| (b.succeeded, b.failed)).collect();
    assert_eq!(batches, [(7, 1), (0, 1), (1, 0)]);
    let migrations = run.migrations();
    let failed: BTreeSet<_> =
        migrations.iter().filter(|(_, m)| m.result == Outcome::Failed).map(|(_, m)| (m.addr, m.src_nid)).collect();
    assert_eq!(failed, [(Some(segment_start(&run) + 2 * PAGE), 1)].into());
    assert_eq!(run.ended.vmstat["pgmigrate_fail"], 2);
    assert_reconciled(&run);
}

#[test]
fn numa_balancing_migrates_pages_to_the_new_node_of_their_task() {
    let balancing = Balancing::on();
    let run = record(
        "mpol default\nanon seg 64p\nmap seg\nmbind seg default\ncpu 1\ntouch seg write\ncpu 2\nloop 2000 seg\nwhere seg\n",
    );
    drop(balancing);
    let start = segment_start(&run);
    let inside = |addr: u64| (start..start + 64 * PAGE).contains(&addr);
    let is_move = |m: &migtrace::event::Migrate| m.cause == Cause::HintingFault && m.result == Outcome::Ok;
    let migrations = run.migrations();
    let followed: Vec<_> = migrations.iter().filter(|(_, m)| is_move(m) && m.addr.is_some_and(inside)).collect();
    assert!(followed.iter().all(|(_, m)| (m.src_nid, m.dst_nid) == (1, Some(2))), "{followed:#?}");
    // memtoy's `where` reads the nodes by move_pages(2), which does not fault: a count independent of migtrace.
    let count = followed.len();
    assert!(run.ended.stdout.contains(&format!("node 2: {count}")), "{count} migrated: {}", run.ended.stdout);
    assert!(count > 32, "{count} of 64 pages migrated");
    for (event, moved) in followed {
        let faults = run.faults();
        let page = moved.addr.unwrap();
        let within =
            |f: &migtrace::event::Event| f.tid == event.tid && f.start_ns() <= event.ts_ns && event.ts_ns <= f.ts_ns;
        let (fault_event, fault) = faults.iter().find(|(e, f)| f.addr & !(PAGE - 1) == page && within(e)).unwrap();
        assert_eq!((fault.class, fault.nid), (Some(FaultClass::Hinting), Some(2)));
        let checks = run.checks();
        let (check_event, check) = checks
            .iter()
            .find(|(e, c)| c.addr & !(PAGE - 1) == page && fault_event.start_ns() <= e.ts_ns && e.ts_ns <= event.ts_ns)
            .unwrap();
        assert_eq!((check.verdict, check.src_nid, check.dst_nid), (Verdict::Misplaced, 1, Some(2)));
        assert_nested(check_event, fault_event);
    }
    let tasks = run.tasks();
    let scans: Vec<_> = tasks.iter().filter(|(_, t)| t.what == TaskEvent::Scanned).collect();
    let first_hint = run.faults().iter().find(|(_, f)| f.class == Some(FaultClass::Hinting)).unwrap().0.ts_ns;
    assert!(scans.iter().any(|(event, _)| event.ts_ns < first_hint), "a scan comes before hinting faults: {scans:#?}");
    for (event, scan) in scans {
        assert!(scan.latency_ns.is_some_and(|ns| ns > 0), "{event:?}");
    }
    let hinting = run.faults().iter().filter(|(_, f)| f.class == Some(FaultClass::Hinting)).count() as i64;
    assert_summary_shows_balancing(&run, hinting as u64);
    // These counters are system-wide, and processes that are not recorded, such as PID 1, also take hinting faults.
    // Only the comparison with move_pages(2) above is exact.
    assert!(run.ended.vmstat["numa_hint_faults"] >= hinting, "{hinting} traced");
    let moved: u64 =
        run.migrated_pages().iter().filter(|((cause, ..), _)| *cause == Cause::HintingFault).map(|(_, n)| n).sum();
    assert!(run.ended.vmstat["numa_pages_migrated"] >= moved as i64, "{moved} traced");
    run.assert_lossless();
    run.assert_account();
}

/// Asserts that the summary's row of the only process has the events of the trace, and the time in them.
fn assert_summary_shows_balancing(run: &Run, hinting: u64) {
    let output = migtrace().args(["summary", "--json"]).arg(&run.ended.trace).output().unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = summary["numa_balancing"].as_array().unwrap();
    let tasks = run.tasks();
    let scans: Vec<_> = tasks.iter().filter(|(_, t)| t.what == TaskEvent::Scanned).collect();
    let scan_ns: u64 = scans.iter().filter_map(|(_, scan)| scan.latency_ns).sum();
    let faults = run.faults();
    let hints = faults.iter().filter(|(_, fault)| fault.class == Some(FaultClass::Hinting));
    let hinting_ns: u64 = hints.filter_map(|(_, fault)| fault.latency_ns).sum();
    let moved: u64 =
        run.migrated_pages().iter().filter(|((cause, ..), _)| *cause == Cause::HintingFault).map(|(_, n)| n).sum();
    let sum = |key: &str| rows.iter().map(|row| row[key].as_u64().unwrap()).sum::<u64>();
    let keys = ["scans", "scan_ns", "hinting_faults", "hinting_fault_ns", "moved_pages"];
    assert_eq!(keys.map(sum), [scans.len() as u64, scan_ns, hinting, hinting_ns, moved], "{rows:?}");
    assert_eq!(rows[0]["scanning_threads"], 1, "{rows:?}");
}

#[test]
fn a_task_that_changes_its_node_is_reported() {
    let run = record("anon seg 1p\ncpu 1\npid\ncpu 2\npid\n");
    let at = |text: &str| {
        let is = |body: &Body| matches!(body, Body::Phase(phase) if phase.text == text);
        run.events.iter().filter(|e| is(&e.body)).map(|e| (e.ts_ns, e.tid)).collect::<Vec<_>>()
    };
    let ((begin, tid), (end, _)) = (at("cpu 2")[0], at("pid")[1]);
    let tasks = run.tasks();
    let moves: Vec<_> = tasks
        .iter()
        .filter(|(e, t)| t.what == TaskEvent::Moved && e.tid == tid && (begin..end).contains(&e.ts_ns))
        .map(|(_, t)| (t.from_node, t.to_node))
        .collect();
    assert_eq!(moves, [(Some(1), Some(2))]);
}

#[test]
fn compaction_migrates_pages_within_their_node() {
    // Every second segment is unmapped, so that the remaining pages are scattered.
    let segments = 0..64;
    let map = segments.clone().map(|n| format!("anon s{n} 32p\nmap s{n}\ntouch s{n} write\n")).collect::<String>();
    let unmap = segments.step_by(2).map(|n| format!("unmap s{n}\n")).collect::<String>();
    let script = Script::new(&format!("{map}{unmap}pid\nsnooze 600\n"));
    let (read, write) = std::io::pipe().unwrap();
    let holder = ChildGuard::start(script.command().stdout(write));
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(read));
    assert!(lines.any(|line| line.unwrap().contains("pid = ")), "memtoy has touched its pages");
    // Without this, kcompactd may compact the memory before the command does.
    let _proactiveness = Setting::set(Path::new("/proc/sys/vm/compaction_proactiveness"), "0");
    let run = Recorder::start(&[], &["sh", "-c", "echo 1 > /proc/sys/vm/compact_memory"]).finish();
    drop(holder);
    let counts = run.migrated_pages();
    assert!(counts.values().sum::<u64>() > 0, "compaction migrated no page");
    for (cause, from, to) in counts.keys() {
        assert_eq!((cause, Some(*from)), (&Cause::Compaction, *to), "{counts:?}");
    }
    assert_reconciled(&run);
}

/// Size of the noise that is swapped out, bytes.
const NOISE: u64 = 24 << 20;

/// Whether compaction migrates pages of zsmalloc depends on their place in memory, which the test does not control. So
/// it tries several times, until zs_page_migrate was called often enough.
#[test]
fn compaction_migrates_pages_of_compressed_swap() {
    needs!(zsmalloc);
    let _proactiveness = Setting::set(Path::new("/proc/sys/vm/compaction_proactiveness"), "0");
    let calls = CallCounter::start("zs_page_migrate");
    for cpu in [0, 1, 2, 3].repeat(3) {
        let (moved, run) = compact_noise(cpu, &calls);
        let drivers = run
            .meta
            .probes
            .iter()
            .find(|p| p.field.as_ref().is_some_and(|field| *field == ProbeField::Zsmalloc))
            .unwrap();
        assert!(drivers.attached.is_some(), "{drivers:?}");
        assert_reconciled(&run);
        // Far above the number of pages that may lack an event (see `assert_freed`).
        if moved > 128 {
            // Pages that no process maps have no address: those of zsmalloc, and others.
            let nameless = run.migrations().iter().filter(|(_, m)| m.addr.is_none()).count() as u64;
            assert!(
                nameless >= moved,
                "{moved} pages of zsmalloc migrated, but only {nameless} pages in the trace have no address"
            );
            return;
        }
    }
    panic!("compaction migrated too few pages of zsmalloc in all attempts");
}

/// Swaps out noise on this CPU, then compacts all memory. Returns the number of calls that `calls` counted meanwhile,
/// and the recording.
fn compact_noise(cpu: u32, calls: &CallCounter) -> (u64, Run) {
    let group = Group::new("swapped");
    // Noise does not compress: each page of it needs one page of zsmalloc.
    let noise = tempfile::NamedTempFile::new_in("/tmp").unwrap();
    let on_cpu = |command: String| {
        let argv = ["taskset", "-c", &cpu.to_string(), "sh", "-c", &command].map(OsString::from);
        group.start(&argv.each_ref().map(|word| word.as_os_str())).output().unwrap()
    };
    let filled = on_cpu(format!("head -c {NOISE} /dev/urandom > {}", noise.path().display()));
    assert!(filled.status.success(), "{filled:?}");
    // The write fails if the kernel finds too little to reclaim, so it is repeated.
    let swapped = || fs::read_to_string(group.0.join("memory.swap.current")).unwrap().trim().parse::<u64>().unwrap();
    let began = std::time::Instant::now();
    while swapped() < NOISE * 3 / 4 {
        let reclaimed = on_cpu(format!("echo {NOISE} > {}", group.0.join("memory.reclaim").display()));
        assert!(began.elapsed() < TIMEOUT, "{} bytes in swap; {reclaimed:?}", swapped());
    }
    // Compaction only works on blocks that are partly full. Holes make all blocks partly full.
    let hole = 16 * PAGE as i64;
    for offset in (0..NOISE as i64).step_by(2 * hole as usize) {
        let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        // SAFETY: the file is open; no memory is passed.
        assert_eq!(unsafe { libc::fallocate(noise.as_raw_fd(), mode, offset, hole) }, 0);
    }
    let before = calls.so_far();
    let run = Recorder::start(&[], &["sh", "-c", "echo 1 > /proc/sys/vm/compact_memory"]).finish();
    (calls.so_far() - before, run)
}

/// Counts calls of a kernel function by its own kprobe. The kprobe is removed on drop.
pub(crate) struct CallCounter(String);

impl CallCounter {
    const TRACING: &str = "/sys/kernel/tracing";

    pub(crate) fn start(function: &str) -> Self {
        let calls = Self(format!("migtrace_test_{function}"));
        Self::write("kprobe_events", &format!("p:{} {function}", calls.0));
        Self::write(&format!("events/{}/enable", calls.event()), "1");
        calls
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// The name of its trace event, with its group.
    pub(crate) fn event(&self) -> String {
        format!("kprobes/{}", self.0)
    }

    pub(crate) fn so_far(&self) -> u64 {
        let profile = fs::read_to_string(Path::new(Self::TRACING).join("kprobe_profile")).unwrap();
        let mut words = profile.lines().map(str::split_whitespace);
        let mut line = words.find(|words| words.clone().next() == Some(&self.0)).unwrap();
        line.nth(1).unwrap().parse().unwrap()
    }

    fn write(file: &str, text: &str) {
        let file = Path::new(Self::TRACING).join(file);
        let written =
            fs::OpenOptions::new().append(true).open(&file).and_then(|mut opened| opened.write_all(text.as_bytes()));
        written.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

impl Drop for CallCounter {
    fn drop(&mut self) {
        Self::write(&format!("events/{}/enable", self.event()), "0");
        Self::write("kprobe_events", &format!("-:{}", self.0));
    }
}

/// The slow node. Linux numbers nodes that have a CPU or can have one first, and node 4 can have one.
pub(crate) const SLOW: i32 = 5;

#[test]
fn demotion_migrates_cold_pages_to_the_slow_tier() {
    needs!(two_tiers);
    let _demotion = Setting::set(Path::new("/sys/kernel/mm/numa/demotion_enabled"), "1");
    let group = Group::new("demoted");
    let script = Script::new("anon a 512p\nmap a\nmbind a preferred 1\ntouch a write\npid\nsnooze 600\n");
    let (read, write) = std::io::pipe().unwrap();
    let holder = ChildGuard::start(group.start(&script.argv()).stdout(write));
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(read));
    assert!(lines.any(|line| line.unwrap().contains("pid = ")), "memtoy has touched its pages");
    let reclaim = format!("echo 256K > {}", group.0.join("memory.reclaim").display());
    let run = Recorder::start(&[], &["sh", "-c", &reclaim]).finish();
    drop(holder);
    let counts = run.migrated_pages();
    let demoted: u64 = counts.values().sum();
    assert!(demoted >= 64, "{counts:?}");
    for (cause, _, to) in counts.keys() {
        assert_eq!((cause, to), (&Cause::Demotion, &Some(SLOW)), "{counts:?}");
    }
    let counters = run.ended.vmstat.iter().filter(|(name, _)| name.starts_with("pgdemote_"));
    assert_eq!(counters.map(|(_, n)| n).sum::<i64>(), demoted as i64);
    assert_reconciled(&run);
}

#[test]
fn promotion_migrates_used_pages_out_of_the_slow_tier() {
    needs!(two_tiers);
    let balancing = Balancing::of(MEMORY_TIERING);
    let run = record(&format!(
        "mpol default\nanon seg 64p\nmap seg\nmbind seg preferred {SLOW}\ntouch seg write\nwhere seg\nmbind seg default\n\
         cpu 2\nloop 2000 seg\nwhere seg\n"
    ));
    drop(balancing);
    assert!(run.ended.stdout.contains(&format!("64 pages: node {SLOW}: 64")), "{}", run.ended.stdout);
    let promoted = run.migrated_pages();
    let count = promoted.values().sum::<u64>();
    assert!(count > 32, "{promoted:?}");
    assert_eq!(promoted, pages([(Cause::HintingFault, SLOW, 2, count)]));
    assert!(run.ended.stdout.contains(&format!("node 2: {count}")), "{count} migrated: {}", run.ended.stdout);
    assert_eq!(run.ended.vmstat["pgpromote_success"], count as i64);
    assert_eq!(run.meta.vmstat_delta["pgpromote_success"], count as i64);
    let checks = run.checks();
    let misplaced = checks.iter().filter(|(_, c)| c.src_nid == SLOW && c.verdict == Verdict::Misplaced).count() as u64;
    assert!(misplaced >= count, "{misplaced} checks");
    run.assert_lossless();
    run.assert_counters();
}

/// A changed kernel setting. Its previous value is restored on drop.
pub(crate) struct Setting {
    file: PathBuf,
    before: String,
}

impl Setting {
    pub(crate) fn set(file: &Path, value: &str) -> Self {
        let before = fs::read_to_string(file).unwrap();
        fs::write(file, value).unwrap();
        Self { file: file.to_owned(), before }
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        fs::write(&self.file, self.before.trim()).unwrap();
    }
}

/// Fast NUMA balancing of the workload only. The test sets a policy without MPOL_F_MOF, which excludes it and its
/// children from balancing; `mpol default` in a script includes the workload again.
pub(crate) struct Balancing {
    _settings: Vec<Setting>,
}

/// Values of kernel.numa_balancing.
const NORMAL: &str = "1";
const MEMORY_TIERING: &str = "2";

impl Balancing {
    pub(crate) fn on() -> Self {
        Self::of(NORMAL)
    }

    fn of(mode: &str) -> Self {
        let every_node: u64 = 0b1_1111;
        set_mempolicy(libc::MPOL_BIND, Some(&every_node));
        let knobs = Path::new("/sys/kernel/debug/sched/numa_balancing");
        let times = [("scan_delay_ms", "10"), ("scan_period_min_ms", "20"), ("scan_period_max_ms", "60")];
        let mut settings: Vec<_> = times.iter().map(|(knob, ms)| Setting::set(&knobs.join(knob), ms)).collect();
        settings.push(Setting::set(Path::new("/proc/sys/kernel/numa_balancing"), mode));
        // Dropped in the order of the vector: balancing must be switched off before its times are restored.
        settings.reverse();
        Self { _settings: settings }
    }
}

impl Drop for Balancing {
    fn drop(&mut self) {
        set_mempolicy(libc::MPOL_DEFAULT, None);
        // A scan that has begun may still run for a moment.
        thread::sleep(Duration::from_millis(50));
    }
}

pub(crate) fn set_mempolicy(mode: i32, nodes: Option<&u64>) {
    // maxnode is one more than the number of bits that the kernel reads.
    let (nodes, bits) = nodes.map_or((std::ptr::null(), 0), |nodes| (std::ptr::from_ref(nodes), 65_u64));
    // SAFETY: the kernel reads 64 bits, the size of `nodes`, or none.
    let ret = unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, nodes, bits) };
    assert_eq!(ret, 0, "set_mempolicy: {}", std::io::Error::last_os_error());
}

/// A cgroup with a memory controller. It is removed on drop and must be empty then.
struct Group(PathBuf);

impl Group {
    fn new(name: &str) -> Self {
        let root = Path::new("/sys/fs/cgroup");
        fs::write(root.join("cgroup.subtree_control"), "+memory").unwrap();
        let group = Self(root.join(name));
        fs::create_dir(&group.0).unwrap();
        group
    }

    /// Returns a command that runs in the cgroup.
    fn start(&self, argv: &[&OsStr]) -> std::process::Command {
        let mut command = std::process::Command::new("sh");
        let enter = format!("echo $$ > {} && exec \"$0\" \"$@\"", self.0.join("cgroup.procs").display());
        command.arg("-c").arg(enter).args(argv).stdin(std::process::Stdio::null());
        command
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}
