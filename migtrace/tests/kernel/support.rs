//! Records memtoy scripts, selects events of the trace, and compares it with independent counters.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    process::{Command, Output, Stdio},
};

use migtrace::{
    event::{
        Batch, Body, Cause, Check, Event, Fault, FaultClass, LossCause, Mark, Migrate, Outcome, Place, Probe,
        ProbeName, Region, Request, RequestName, Task, Verdict,
    },
    model::totals::migrations,
    recording::{Meta, ProbeAccount},
};
use tempfile::NamedTempFile;

use crate::{
    independent_counters::reason_of,
    recorder::{Ended, Recorder},
    requirements,
};

pub(crate) const PAGE: u64 = 4096;
pub(crate) const PAGES: u64 = 8;
/// Pages that the kernel's compaction isolates from their lists at a time.
const COMPACT_CLUSTER_MAX: u64 = 32;

/// Commands that write a segment of 8 pages on node 1.
pub(crate) const WRITTEN_ON_1: &str = "anon seg 8p\nmap seg\nmbind seg preferred 1\ntouch seg write\n";

/// Returns a command that starts the program under test.
pub(crate) fn migtrace() -> Command {
    assert!(
        std::env::var_os("MIGTRACE_IN_VM").is_some(),
        "these tests run in the virtual machine only: cargo xtask test"
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_migtrace"));
    command.env_remove("MIGTRACE_LOG").env("NO_COLOR", "1");
    command
}

/// A finished recording.
pub(crate) struct Run {
    pub(crate) meta: Meta,
    /// Without those of nodes, which every recording has.
    pub(crate) events: Vec<Event>,
    pub(crate) nodes: Vec<Event>,
    pub(crate) ended: Ended,
}

/// Records a memtoy script. The script must succeed.
pub(crate) fn record(script: &str) -> Run {
    record_with(&[], script)
}

/// Records a memtoy script with additional options of `record`.
pub(crate) fn record_with(options: &[&str], script: &str) -> Run {
    let script = Script::new(script);
    Recorder::start(options, &script.argv()).finish()
}

/// A memtoy script in a file.
pub(crate) struct Script(NamedTempFile);

impl Script {
    pub(crate) fn new(text: &str) -> Self {
        let file = NamedTempFile::with_suffix(".memtoy").unwrap();
        fs::write(&file, text).unwrap();
        Self(file)
    }

    /// Returns the command line that runs the script.
    pub(crate) fn argv(&self) -> [&OsStr; 3] {
        [env!("CARGO_BIN_EXE_migtrace").as_ref(), "memtoy".as_ref(), self.0.path().as_os_str()]
    }

    /// Returns the same command, for a start outside of a recording.
    pub(crate) fn command(&self) -> Command {
        let mut command = migtrace();
        command.args(&self.argv()[1..]).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}

pub(crate) fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// Events of one kind: the event, and the fields of its kind.
pub(crate) type Found<'a, T> = Vec<(&'a Event, &'a T)>;

macro_rules! by_kind {
    ($($name:ident: $kind:ident;)*) => {
        impl Run {
            $(pub(crate) fn $name(&self) -> Found<'_, $kind> {
                let mut found: Found<'_, $kind> = Vec::new();
                for event in &self.events {
                    if let Body::$kind(body) = &event.body {
                        found.push((event, body));
                    }
                }
                found
            })*
        }
    };
}

by_kind! {
    faults: Fault;
    checks: Check;
    marks: Mark;
    migrations: Migrate;
    requests: Request;
    batches: Batch;
    tasks: Task;
    regions: Region;
    places: Place;
}

impl Run {
    /// Returns the output of `migtrace log` for this recording.
    pub(crate) fn log(&self) -> String {
        let output = migtrace().arg("log").arg(&self.ended.trace).output().unwrap();
        let (stdout, stderr) = texts(&output);
        assert!(output.status.success(), "log failed: {stderr}");
        stdout
    }

    /// Returns the only mbind that requested a migration, direct or lazy.
    pub(crate) fn migrating_mbind(&self) -> (&Event, &Request) {
        let is_wanted = |r: &Request| r.name == RequestName::Mbind && r.flags.split('|').any(|f| f == "move");
        let found: Vec<_> = self.requests().into_iter().filter(|(_, r)| is_wanted(r)).collect();
        assert_eq!(found.len(), 1, "exactly one mbind requests a migration: {found:?}");
        found[0]
    }

    /// Returns the addresses of the pages in the requested range.
    pub(crate) fn segment(&self) -> Vec<u64> {
        let start = self.migrating_mbind().1.addr.unwrap();
        (0..PAGES).map(|page| start + page * PAGE).collect()
    }

    /// Returns the faults in the segment that ended after the placement syscall.
    pub(crate) fn later_faults(&self) -> Found<'_, Fault> {
        let (syscall_end, segment) = (self.migrating_mbind().0.ts_ns, self.segment());
        let inside = |f: &Fault| (segment[0]..segment[0] + PAGES * PAGE).contains(&f.addr);
        self.faults().into_iter().filter(|(e, f)| inside(f) && e.ts_ns > syscall_end).collect()
    }

    /// Asserts that the trace contains every event that was seen, except those whose start the kernel missed.
    pub(crate) fn assert_lossless(&self) {
        for account in &self.meta.account {
            let without_start = account.lost.get(&LossCause::NoStart.into()).copied().unwrap_or(0);
            assert!(without_start <= self.max_missed(&account.probe), "{account:?}");
            assert_eq!(account.seen, account.stored + without_start, "{account:?}");
        }
    }

    /// Returns how many events of a probe may be absent because the kernel did not run its programs (missed). If the
    /// kernel can preempt a program, another task's events on that CPU may occur while the program runs. Without
    /// preemption no event may be absent.
    pub(crate) fn max_missed(&self, probe: &ProbeName) -> u64 {
        let mode = fs::read_to_string("/sys/kernel/debug/sched/preempt").unwrap_or_default();
        let preempts = ["(full)", "(lazy)"].iter().any(|chosen| mode.contains(chosen));
        if preempts { self.account_of(probe).missed.unwrap_or(0) } else { 0 }
    }

    /// Asserts that system-wide counters increased by exactly the pages in the trace.
    pub(crate) fn assert_counters(&self) {
        self.assert_counters_with_freed(0);
    }

    /// The same, for a workload that freed `expected_freed` pages before it requested the migration of their range.
    pub(crate) fn assert_counters_with_freed(&self, expected_freed: u64) {
        self.assert_freed(expected_freed);
        let pages = |order: u32| 1i64 << order;
        let moved: i64 = self.ok_migrations().iter().map(|m| m.pages() as i64).sum();
        let freed = self.freed_before_migration() as i64;
        let lazily: i64 =
            self.ok_migrations().iter().filter(|m| m.cause == Cause::LazyFault).map(|m| m.pages() as i64).sum();
        let marked: i64 =
            self.marks().iter().filter(|(_, m)| m.result == Outcome::Ok).map(|(_, m)| pages(m.order)).sum();
        let checks: Vec<_> = self.checks().into_iter().filter(|(_, c)| !c.is_hinting()).collect();
        let checked: i64 = checks.iter().map(|(_, c)| pages(c.order)).sum();
        let misplaced: i64 =
            checks.iter().filter(|(_, c)| c.verdict == Verdict::Misplaced).map(|(_, c)| pages(c.order)).sum();
        let mut expected = vec![("pgmigrate_success", moved + freed)];
        let lazy_counters = [
            ("mof_unmapped", marked),
            ("mof_checked", checked),
            ("mof_misplaced", misplaced),
            ("mof_migrated", lazily),
        ];
        if requirements::migrate_on_fault().is_none() {
            expected.extend(lazy_counters);
        }
        for (name, count) in expected {
            assert_eq!(self.ended.vmstat.get(name), Some(&count), "{name} in /proc/vmstat against the trace");
            assert_eq!(self.meta.vmstat_delta.get(name), Some(&count), "{name} in the trace's metadata");
        }
    }

    /// Returns the number of migrated pages, by cause and pair of nodes.
    pub(crate) fn migrated_pages(&self) -> BTreeMap<(Cause, i32, Option<i32>), u64> {
        let counts = migrations::count(&self.events).into_iter();
        counts.map(|(key, moves)| (key, moves.moved_pages)).filter(|(_, pages)| *pages > 0).collect()
    }

    /// Asserts that ftrace and the trace agree on the pages that migrated and failed to migrate, for each reason. Also
    /// asserts that every page that a batch migrated has its own event.
    pub(crate) fn assert_ftrace_agrees(&self) {
        let (mut by_ftrace, mut batched) = (BTreeMap::new(), BTreeMap::new());
        for seen in self.ended.ftrace.iter().filter(|seen| seen.event == "mm_migrate_pages") {
            let (ok, failed) = by_ftrace.entry(seen.fields["reason"].as_str()).or_insert((0, 0));
            *ok += seen.number("nr_succeeded");
            *failed += seen.number("nr_failed");
        }
        for (_, batch) in self.batches().iter().filter(|(_, batch)| !batch.work.is_mark()) {
            let (ok, failed) = batched.entry(reason_of(batch.cause)).or_insert((0, 0));
            *ok += batch.succeeded;
            *failed += batch.failed;
        }
        assert_eq!(batched, by_ftrace, "batches of the trace against ftrace (pages migrated, failed)");
        let mut moved: BTreeMap<&str, u64> = BTreeMap::new();
        for migrate in self.ok_migrations().into_iter().filter(|m| m.cause != Cause::LazyFault) {
            *moved.entry(reason_of(migrate.cause)).or_default() += migrate.pages();
        }
        for (_, batch) in self.batches() {
            *moved.entry(reason_of(batch.cause)).or_default() += batch.unmoved.unwrap_or(0);
        }
        moved.retain(|_, pages| *pages > 0);
        let by_batch = batched.into_iter().map(|(reason, (ok, _))| (reason, ok)).filter(|(_, ok)| *ok > 0);
        assert_eq!(moved, by_batch.collect(), "pages of migrate events against batches");
        let failed: u64 = self.ended.ftrace.iter().map(|seen| seen.number("nr_failed")).sum();
        assert_eq!(self.ended.vmstat["pgmigrate_fail"], failed as i64, "pgmigrate_fail in /proc/vmstat");
    }

    /// Returns the number of pages that the kernel counts as migrated although they were freed before migration.
    pub(crate) fn freed_before_migration(&self) -> u64 {
        self.batches().into_iter().filter_map(|(_, batch)| batch.unmoved).sum()
    }

    /// Asserts that no more pages were freed than possible. A batch counts a migration without an event as freed, so
    /// this finds missed migrations.
    ///
    /// Compaction also takes pages of other processes, some of which exit. Clearing a whole range does so too; for
    /// that, offline_and_contiguous.rs compares each migration.
    fn assert_freed(&self, expected_freed: u64) {
        let mut causes: BTreeMap<Cause, (u64, u64)> = BTreeMap::new();
        for (_, batch) in self.batches() {
            let (freed, counted) = causes.entry(batch.cause).or_default();
            *freed += batch.unmoved.unwrap_or(0);
            *counted += batch.succeeded;
        }
        let is_of_others = |cause| matches!(cause, Cause::Compaction | Cause::Hotplug | Cause::ContigRange);
        let freed_by_workload: u64 =
            causes.iter().filter(|(cause, _)| !is_of_others(**cause)).map(|(_, (freed, _))| freed).sum();
        assert_eq!(freed_by_workload, expected_freed, "pages freed before migration: {causes:?}");
        let (freed, counted) = causes.get(&Cause::Compaction).copied().unwrap_or_default();
        assert!(
            freed <= COMPACT_CLUSTER_MAX.min(counted / 100),
            "{freed} of {counted} pages have no event of their own"
        );
    }

    /// Asserts that the account of each probe adds up, with or without lost events.
    pub(crate) fn assert_account(&self) {
        let held: u64 = self.events.iter().filter(|e| !matches!(e.body, Body::Loss(_))).count() as u64;
        let lost: u64 = self.events.iter().map(|e| if let Body::Loss(l) = &e.body { l.count } else { 0 }).sum();
        for account in &self.meta.account {
            assert_eq!(account.seen, account.stored + account.lost(), "{account:?}");
            assert_eq!(account.lost.get(&LossCause::Unread.into()), None, "{account:?}");
        }
        assert_eq!(held, self.meta.account.iter().map(|a| a.stored).sum::<u64>(), "events against the account");
        assert_eq!(lost, self.meta.lost(), "each loss is an event in the trace too");
    }

    /// Returns the account of one probe.
    pub(crate) fn account(&self, probe: Probe) -> &ProbeAccount {
        self.account_of(&probe.into())
    }

    fn account_of(&self, probe: &ProbeName) -> &ProbeAccount {
        self.meta.account.iter().find(|a| a.probe == *probe).unwrap()
    }

    fn ok_migrations(&self) -> Vec<&Migrate> {
        self.migrations().into_iter().map(|(_, m)| m).filter(|m| m.result == Outcome::Ok).collect()
    }
}

/// Asserts that one event is nested in another, on the same thread.
pub(crate) fn assert_nested(inner: &Event, outer: &Event) {
    assert_eq!(inner.tid, outer.tid, "{inner:?} in {outer:?}");
    assert!(inner.ts_ns <= outer.ts_ns && inner.start_ns() >= outer.start_ns(), "{inner:?} in {outer:?}");
}

/// Asserts that there is one fault, one check and one migration for each of these pages, and no others. The fault has
/// class swap. Nested in it are a check that found the page misplaced on node 1, and a migration to node 2.
pub(crate) fn assert_lazy_migrations(run: &Run, pages: &[u64]) {
    let (faults, checks, moves) = (run.later_faults(), run.checks(), run.migrations());
    assert_eq!((faults.len(), checks.len(), moves.len()), (pages.len(), pages.len(), pages.len()), "{:#?}", run.events);
    for page in pages {
        let (fault_event, fault) = faults.iter().find(|(_, f)| f.addr & !(PAGE - 1) == *page).unwrap();
        let (check_event, check) = checks.iter().find(|(_, c)| c.addr == *page).unwrap();
        let (move_event, moved) = moves.iter().find(|(_, m)| m.addr == Some(*page)).unwrap();
        assert_eq!(
            (fault.class, fault.major, fault.nid, fault.result.as_deref()),
            (Some(FaultClass::Swap), Some(false), Some(2), Some("ok"))
        );
        assert_eq!((check.verdict, check.src_nid, check.dst_nid, check.lazy), (Verdict::Misplaced, 1, Some(2), true));
        assert_eq!((moved.cause, moved.result), (Cause::LazyFault, Outcome::Ok), "{moved:?}");
        assert_eq!((moved.src_nid, moved.dst_nid, moved.old_pfn), (1, Some(2), check.pfn));
        assert!(moved.new_pfn.is_some_and(|pfn| pfn != moved.old_pfn));
        assert!(moved.latency_ns.is_some_and(|ns| ns > 0), "{moved:?}");
        assert_nested(check_event, fault_event);
        assert_nested(move_event, fault_event);
        assert!(check_event.ts_ns <= move_event.ts_ns);
    }
}
