//! Recording a memtoy script, and asking the trace questions.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    process::{Command, Output, Stdio},
};

use migtrace::{
    event::{
        Batch, Body, Cause, Check, Event, Fault, FaultClass, LossCause, Mark, Migrate, Outcome, Probe, ProbeName,
        Region, Request, RequestName, Task, Verdict,
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
/// Pages that the kernel's compaction takes off their lists at a time.
const COMPACT_CLUSTER_MAX: u64 = 32;

/// A segment of 8 pages, written on node 1.
pub(crate) const WRITTEN_ON_1: &str = "anon seg 8p\nmap seg\nmbind seg preferred 1\ntouch seg write\n";

/// The program under test.
pub(crate) fn migtrace() -> Command {
    assert!(
        std::env::var_os("MIGTRACE_IN_VM").is_some(),
        "these tests belong into the virtual machine: cargo xtask test"
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_migtrace"));
    command.env_remove("MIGTRACE_LOG").env("NO_COLOR", "1");
    command
}

/// A finished recording.
pub(crate) struct Run {
    pub(crate) meta: Meta,
    pub(crate) events: Vec<Event>,
    pub(crate) ended: Ended,
}

/// Records a memtoy script, which must succeed.
pub(crate) fn record(script: &str) -> Run {
    record_with(&[], script)
}

/// Records a memtoy script with more options of `record`.
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

    /// The command that runs it.
    pub(crate) fn argv(&self) -> [&OsStr; 3] {
        [env!("CARGO_BIN_EXE_migtrace").as_ref(), "memtoy".as_ref(), self.0.path().as_os_str()]
    }

    /// The same command, to be started beside a recording.
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

/// An event with its common part.
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
}

impl Run {
    /// The annotated log of this recording.
    pub(crate) fn log(&self) -> String {
        let output = migtrace().arg("log").arg(&self.ended.trace).output().unwrap();
        let (stdout, stderr) = texts(&output);
        assert!(output.status.success(), "log failed: {stderr}");
        stdout
    }

    /// The only mbind that asked for pages to move, now or lazily.
    pub(crate) fn move_request(&self) -> (&Event, &Request) {
        let asks = |r: &Request| r.name == RequestName::Mbind && r.flags.split('|').any(|f| f == "move");
        let found: Vec<_> = self.requests().into_iter().filter(|(_, r)| asks(r)).collect();
        assert_eq!(found.len(), 1, "one mbind request that moves: {found:?}");
        found[0]
    }

    /// Addresses of the pages of the requested range.
    pub(crate) fn segment(&self) -> Vec<u64> {
        let start = self.move_request().1.addr.unwrap();
        (0..PAGES).map(|page| start + page * PAGE).collect()
    }

    /// Faults in the segment that ended after the request did.
    pub(crate) fn later_faults(&self) -> Found<'_, Fault> {
        let (asked, segment) = (self.move_request().0.ts_ns, self.segment());
        let inside = |f: &Fault| (segment[0]..segment[0] + PAGES * PAGE).contains(&f.addr);
        self.faults().into_iter().filter(|(e, f)| inside(f) && e.ts_ns > asked).collect()
    }

    /// Asserts that the trace holds every event that was seen, but for those whose begin the kernel itself left out.
    pub(crate) fn assert_lossless(&self) {
        for account in &self.meta.account {
            let without_start = account.lost.get(&LossCause::NoStart.into()).copied().unwrap_or(0);
            assert!(without_start <= self.may_be_left_out(&account.probe), "{account:?}");
            assert_eq!(account.seen, account.stored + without_start, "{account:?}");
        }
    }

    /// Events of a probe that may be absent, as its programs were not started: where the kernel preempts a program, another
    /// task's events on that CPU find it running. Elsewhere none.
    pub(crate) fn may_be_left_out(&self, probe: &ProbeName) -> u64 {
        let mode = fs::read_to_string("/sys/kernel/debug/sched/preempt").unwrap_or_default();
        let preempts = ["(full)", "(lazy)"].iter().any(|chosen| mode.contains(chosen));
        if preempts { self.account_of(probe).missed.unwrap_or(0) } else { 0 }
    }

    /// Asserts that system-wide counters gained exactly what the trace holds, in pages.
    pub(crate) fn assert_counters(&self) {
        self.assert_counters_with(0);
    }

    /// The same where so many pages of what this workload asked to move had been given back.
    pub(crate) fn assert_counters_with(&self, given_back: u64) {
        self.assert_freed(given_back);
        let pages = |order: u32| 1i64 << order;
        let moved: i64 = self.ok_migrations().iter().map(|m| m.pages() as i64).sum();
        let freed = self.freed_first() as i64;
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

    /// Pages that moved, by cause and pair of nodes.
    pub(crate) fn moved(&self) -> BTreeMap<(Cause, i32, Option<i32>), u64> {
        let counts = migrations::count(&self.events).into_iter();
        counts.map(|(key, moves)| (key, moves.moved_pages)).filter(|(_, pages)| *pages > 0).collect()
    }

    /// Asserts that ftrace saw the kernel move, and fail to move, as many pages for each reason as the trace has, and that
    /// every page that a batch moved has its own event.
    pub(crate) fn assert_witnessed(&self) {
        let (mut witnessed, mut batched) = (BTreeMap::new(), BTreeMap::new());
        for seen in self.ended.witness.iter().filter(|seen| seen.event == "mm_migrate_pages") {
            let (ok, failed) = witnessed.entry(seen.fields["reason"].as_str()).or_insert((0, 0));
            *ok += seen.number("nr_succeeded");
            *failed += seen.number("nr_failed");
        }
        for (_, batch) in self.batches().iter().filter(|(_, batch)| !batch.work.is_mark()) {
            let (ok, failed) = batched.entry(reason_of(batch.cause)).or_insert((0, 0));
            *ok += batch.succeeded;
            *failed += batch.failed;
        }
        assert_eq!(batched, witnessed, "batches of the trace against ftrace (pages that moved, that did not)");
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
        let failed: u64 = self.ended.witness.iter().map(|seen| seen.number("nr_failed")).sum();
        assert_eq!(self.ended.vmstat["pgmigrate_fail"], failed as i64, "pgmigrate_fail in /proc/vmstat");
    }

    /// Pages that the kernel counts as migrated although they had been freed before migration.
    pub(crate) fn freed_first(&self) -> u64 {
        self.batches().into_iter().filter_map(|(_, batch)| batch.unmoved).sum()
    }

    /// Asserts that no more pages were freed than possible. A batch counts a migration without an event as freed, so this finds
    /// missed migrations. Compaction also takes pages of other processes, some of which exit; so does clearing a whole range,
    /// where offline_and_contiguous.rs checks each migration.
    fn assert_freed(&self, given_back: u64) {
        let mut causes: BTreeMap<Cause, (u64, u64)> = BTreeMap::new();
        for (_, batch) in self.batches() {
            let (freed, counted) = causes.entry(batch.cause).or_default();
            *freed += batch.unmoved.unwrap_or(0);
            *counted += batch.succeeded;
        }
        let is_of_others = |cause| matches!(cause, Cause::Compaction | Cause::Hotplug | Cause::ContigRange);
        let asked: u64 = causes.iter().filter(|(cause, _)| !is_of_others(**cause)).map(|(_, (freed, _))| freed).sum();
        assert_eq!(asked, given_back, "pages that did not move: {causes:?}");
        let (freed, counted) = causes.get(&Cause::Compaction).copied().unwrap_or_default();
        assert!(
            freed <= COMPACT_CLUSTER_MAX.min(counted / 100),
            "{freed} of {counted} pages have no event of their own"
        );
    }

    /// Asserts that the account of each probe adds up, whatever was lost.
    pub(crate) fn assert_account(&self) {
        let held: u64 = self.events.iter().filter(|e| !matches!(e.body, Body::Loss(_))).count() as u64;
        let told: u64 = self.events.iter().map(|e| if let Body::Loss(l) = &e.body { l.count } else { 0 }).sum();
        for account in &self.meta.account {
            assert_eq!(account.seen, account.stored + account.lost(), "{account:?}");
            assert_eq!(account.lost.get(&LossCause::Unread.into()), None, "{account:?}");
        }
        assert_eq!(held, self.meta.account.iter().map(|a| a.stored).sum::<u64>(), "events against the account");
        assert_eq!(told, self.meta.lost(), "each loss is an event in the trace too");
    }

    /// The account of one probe.
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
pub(crate) fn assert_inside(inner: &Event, outer: &Event) {
    assert_eq!(inner.tid, outer.tid, "{inner:?} in {outer:?}");
    assert!(inner.ts_ns <= outer.ts_ns && inner.start_ns() >= outer.start_ns(), "{inner:?} in {outer:?}");
}

/// Asserts that faults, checks and migrations pair up on exactly these pages: each fault of class swap, holding one check
/// that found the page misplaced on node 1 and one migration to node 2.
pub(crate) fn assert_lazy_moves(run: &Run, pages: &[u64]) {
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
        assert_inside(check_event, fault_event);
        assert_inside(move_event, fault_event);
        assert!(check_event.ts_ns <= move_event.ts_ns);
    }
}
