//! Recording a memtoy script, and asking the trace questions.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use migtrace::{
    event::{Body, Cause, Check, Event, Fault, FaultClass, Mark, Migrate, Outcome, Request, RequestName, Verdict},
    trace::{Trace, meta::Meta},
};
use tempfile::TempDir;

pub(crate) const PAGE: u64 = 4096;
pub(crate) const PAGES: u64 = 8;

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
    /// What the workload printed.
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// What /proc/vmstat gained, read by the test itself around the whole recording.
    pub(crate) vmstat: BTreeMap<String, i64>,
    trace: PathBuf,
    _dir: TempDir,
}

/// Records a memtoy script, which must succeed.
pub(crate) fn record(script: &str) -> Run {
    record_with(&[], script)
}

/// Records a memtoy script with more options of `record`.
pub(crate) fn record_with(options: &[&str], script: &str) -> Run {
    let dir = tempfile::tempdir().unwrap();
    let (trace, script_file) = (dir.path().join("run.parquet"), dir.path().join("script.memtoy"));
    fs::write(&script_file, script).unwrap();
    let before = vmstat();
    let mut command = migtrace();
    command.arg("record").args(options).arg("-o").arg(&trace);
    command.arg("--").arg(env!("CARGO_BIN_EXE_migtrace")).arg("memtoy").arg(&script_file);
    let output = command.output().unwrap();
    let after = vmstat();
    let (stdout, stderr) = texts(&output);
    assert!(output.status.success(), "record failed: {}\n{stdout}\n{stderr}", output.status);
    let opened = Trace::open(&trace).unwrap();
    Run {
        meta: opened.meta().clone(),
        events: opened.read_all().unwrap(),
        stdout,
        stderr,
        vmstat: after.iter().map(|(name, count)| (name.clone(), count - before.get(name).unwrap_or(&0))).collect(),
        trace,
        _dir: dir,
    }
}

pub(crate) fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

fn vmstat() -> BTreeMap<String, i64> {
    let text = fs::read_to_string("/proc/vmstat").unwrap();
    text.lines().filter_map(|l| l.split_once(' ')).map(|(n, c)| (n.to_owned(), c.parse().unwrap())).collect()
}

/// An event with its common part.
pub(crate) type Found<'a, T> = Vec<(&'a Event, &'a T)>;

macro_rules! by_kind {
    ($($name:ident: $kind:ident;)*) => {
        impl Run {
            $(pub(crate) fn $name(&self) -> Found<'_, $kind> {
                let mut found = Vec::new();
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
}

impl Run {
    /// The annotated log of this recording.
    pub(crate) fn log(&self) -> String {
        let output = migtrace().arg("log").arg(&self.trace).output().unwrap();
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

    /// Asserts that the trace holds every event that was seen.
    pub(crate) fn assert_lossless(&self) {
        for account in &self.meta.account {
            assert_eq!(account.seen, account.stored, "{account:?}");
        }
        assert_eq!(self.meta.lost(), 0);
    }

    /// Asserts that system-wide counters gained exactly what the trace holds, in pages.
    pub(crate) fn assert_counters(&self) {
        let pages = |order: u32| 1i64 << order;
        let moved: i64 = self.ok_migrations().iter().map(|m| m.pages() as i64).sum();
        let lazily: i64 =
            self.ok_migrations().iter().filter(|m| m.cause == Cause::LazyFault).map(|m| m.pages() as i64).sum();
        let marked: i64 =
            self.marks().iter().filter(|(_, m)| m.result == Outcome::Ok).map(|(_, m)| pages(m.order)).sum();
        let checked: i64 = self.checks().iter().map(|(_, c)| pages(c.order)).sum();
        let misplaced: i64 =
            self.checks().iter().filter(|(_, c)| c.verdict == Verdict::Misplaced).map(|(_, c)| pages(c.order)).sum();
        let expected = [
            ("pgmigrate_success", moved),
            ("mof_unmapped", marked),
            ("mof_checked", checked),
            ("mof_misplaced", misplaced),
            ("mof_migrated", lazily),
        ];
        for (name, count) in expected {
            assert_eq!(self.vmstat.get(name), Some(&count), "{name} in /proc/vmstat against the trace");
            assert_eq!(self.meta.vmstat_delta.get(name), Some(&count), "{name} in the trace's metadata");
        }
    }

    fn ok_migrations(&self) -> Vec<&Migrate> {
        self.migrations().into_iter().map(|(_, m)| m).filter(|m| m.result == Outcome::Ok).collect()
    }
}

/// Asserts that one event lies inside another in time, on the same thread.
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
