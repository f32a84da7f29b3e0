//! Threads that wait for the lock of a folio that is being migrated: its page is in the swap cache or the page cache,
//! and not in their page table. Kprobes on the functions that wait, and the kernel's trace events of
//! migrate-on-fault are the witnesses.

use std::{
    collections::HashMap,
    env,
    process::exit,
    ptr,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use migtrace::event::{Cause, Event, Fault, FaultClass};

use crate::{
    attribution::{self, WORKLOAD},
    holder::move_shared_pages,
    independent_counters::{FtraceInstance, TraceEvent},
    own_workload::{argv, print},
    recorder::Recorder,
    requirements::needs,
    support::{PAGE, Run},
    waits::gettid,
    workloads::CallCounter,
};

const PAGES: usize = 256;
const READERS: usize = 3;
const ROUNDS: usize = 30;
/// Few, so that a reader often finds one of them locked: up to 6.2 the kernel migrates one after the other.
const SHARED_PAGES: usize = 8;
const SHARED_ROUNDS: usize = 400;

/// The functions in which faults wait for a folio's lock.
const LOCKS: [&str; 2] = ["__folio_lock", "__folio_lock_or_retry"];
/// That of migrate-on-fault.
const LOCK_OF_SWAP_CACHE: &str = "folio_put_wait_locked";

#[test]
fn faults_wait_for_the_lock_of_a_page_that_another_fault_migrates() {
    needs!(migrate_on_fault);
    if env::var_os(WORKLOAD).is_some() {
        touch_marked_pages();
    }
    let argv = argv("waits_for_locks::faults_wait_for_the_lock_of_a_page_that_another_fault_migrates");
    let counters: Vec<_> = LOCKS.into_iter().chain([LOCK_OF_SWAP_CACHE]).map(CallCounter::start).collect();
    let mut events: Vec<_> = counters.iter().map(CallCounter::event).collect();
    events.extend(["mof/mof_check", "mof/mof_migrate"].map(String::from));
    let ftrace = FtraceInstance::start(&events.iter().map(String::as_str).collect::<Vec<_>>());
    let run = Recorder::start(&[], &argv).finish();
    let seen = ftrace.stop();
    let calls = Calls::new(&seen, |seen| counters.iter().any(|counter| seen.event == counter.name()));
    let moves = Calls::new(&seen, |seen| seen.event == "mof_migrate");
    let faults = faults(&run);

    let (mut named, mut of_page) = (0, HashMap::<u64, Vec<_>>::new());
    for (event, fault) in &faults {
        of_page.entry(fault.addr & !(PAGE - 1)).or_default().push((*event, *fault));
    }
    let is_wait = |fault: &Fault| fault.class == Some(FaultClass::MigrationWait);
    for (event, fault) in faults.iter().filter(|(_, fault)| is_wait(fault)) {
        let wait = fault.wait.as_ref().expect("a wait for a lock is known by its migration");
        assert_eq!(wait.cause, Cause::LazyFault);
        assert_ne!(wait.tid, event.tid, "{event:?}");
        assert!(!calls.during(event).is_empty(), "{event:#?} waited for no lock");
        // The other thread's fault has the lock while it migrates the page, and until it has mapped it.
        let migrates = |(mover, _): &(&Event, &Fault)| {
            let overlaps = mover.ts_ns > event.start_ns() && mover.start_ns() < event.ts_ns;
            mover.tid == wait.tid && overlaps && !moves.during(mover).is_empty()
        };
        let migrated = of_page[&(fault.addr & !(PAGE - 1))].iter().any(migrates);
        assert!(migrated, "thread {} migrated no such page: {event:#?}", wait.tid);
        named += 1;
    }

    // Every thread that begins to wait while another one migrates the page waits for that.
    let mut inside = 0;
    for moved in seen.iter().filter(|seen| seen.event == "mof_migrate") {
        let page = u64::from_str_radix(moved.fields["address"].trim_start_matches("0x"), 16).unwrap();
        // mof_check, at which the programs see the migration, comes before the start of its time.
        let began_us = moved.ts_us - moved.number("latency_ns") / 1000;
        for (event, fault) in of_page[&page].iter().filter(|(event, _)| event.tid != moved.tid) {
            if calls.during(event).iter().any(|call| (began_us + 1..moved.ts_us).contains(call)) {
                assert!(is_wait(fault), "{event:#?} {moved:?}");
                inside += 1;
            }
        }
    }
    let called: usize = faults.iter().map(|(event, _)| calls.during(event).len()).sum();
    println!("{named} waits named, {inside} of them while the page migrated; {called} calls");
    assert!(named > 0 && inside > 0, "{called} waits for a lock");
    run.assert_lossless();
}

#[test]
fn faults_wait_for_the_lock_of_a_shared_page_that_another_thread_moves() {
    needs!(lock_of_shared_memory);
    if env::var_os(WORKLOAD).is_some() {
        touch_moved_pages();
    }
    let argv = argv("waits_for_locks::faults_wait_for_the_lock_of_a_shared_page_that_another_thread_moves");
    let locks = LOCKS.map(CallCounter::start);
    let entry = CallCounter::start("migration_entry_wait");
    let events: Vec<_> = locks.iter().chain([&entry]).map(CallCounter::event).collect();
    let ftrace = FtraceInstance::start(&events.iter().map(String::as_str).collect::<Vec<_>>());
    let run = Recorder::start(&[], &argv).finish();
    let seen = ftrace.stop();
    let mover = run.printed("mover")[0];
    let of_locks = Calls::new(&seen, |seen| locks.iter().any(|lock| seen.event == lock.name()));
    let of_entries = Calls::new(&seen, |seen| seen.event == entry.name());
    let (mut named, mut unnamed) = (0, 0);
    for (event, fault) in faults(&run) {
        let (folio, entry) = (!of_locks.during(event).is_empty(), !of_entries.during(event).is_empty());
        match (fault.class, &fault.wait) {
            (Some(FaultClass::MigrationWait), wait) => {
                assert!(folio || entry, "{event:#?} waited for nothing");
                assert!(wait.is_some() || entry, "a wait for a lock is known by its migration: {event:#?}");
                if let Some(wait) = wait {
                    assert_eq!((wait.cause, wait.tid), (Cause::MovePages, mover), "{event:#?}");
                    named += usize::from(!entry);
                }
            }
            // The new folio has replaced the old one in the page cache: no program knows it before it is mapped.
            _ => unnamed += usize::from(folio),
        }
    }
    println!("{named} waits for a lock named, {unnamed} not");
    assert!(named > 0, "no wait for a lock names its migration, {unnamed} waits for a folio");
    run.assert_lossless();
}

/// Times at which ftrace saw events, in microseconds, by thread.
struct Calls(HashMap<u32, Vec<u64>>);

impl Calls {
    fn new(seen: &[TraceEvent], is_wanted: impl Fn(&TraceEvent) -> bool) -> Self {
        let mut of_threads = HashMap::<u32, Vec<u64>>::new();
        for event in seen.iter().filter(|event| is_wanted(event)) {
            of_threads.entry(event.tid).or_default().push(event.ts_us);
        }
        of_threads.values_mut().for_each(|times| times.sort_unstable());
        Self(of_threads)
    }

    /// Those in a fault of the same thread.
    fn during(&self, fault: &Event) -> &[u64] {
        let times = self.0.get(&fault.tid).map_or(&[][..], Vec::as_slice);
        let first = times.partition_point(|time| *time < fault.start_ns() / 1000);
        &times[first..times.partition_point(|time| *time <= fault.ts_ns / 1000).max(first)]
    }
}

/// The readers' faults in the segments that they read.
fn faults(run: &Run) -> Vec<(&Event, &Fault)> {
    let (segments, readers): (Vec<u64>, Vec<u32>) = (run.printed("segments"), run.printed("readers"));
    let len = PAGES as u64 * PAGE;
    let is_read = |addr| segments.iter().any(|start| (*start..start + len).contains(&addr));
    let faults = run.faults().into_iter();
    faults.filter(|(event, fault)| is_read(fault.addr) && readers.contains(&event.tid)).collect()
}

/// In each round, marks all pages for the other node, and lets all readers touch them at once.
fn touch_marked_pages() -> ! {
    let len = PAGES * PAGE as usize;
    let segment = attribution::map(len, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1);
    println!();
    print("segments", [segment as i64]);
    mark(segment, len, 1);
    // SAFETY: the segment is mapped, and no other thread uses it yet.
    pages(segment, PAGES).for_each(|page| unsafe { ptr::write_volatile(page as *mut u8, 1) });
    let round = Arc::new(Barrier::new(READERS + 1));
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let round = round.clone();
            thread::spawn(move || {
                for _ in 0..ROUNDS {
                    round.wait();
                    read(segment, PAGES);
                    round.wait();
                }
                gettid()
            })
        })
        .collect();
    for number in 0..ROUNDS {
        mark(segment, len, 2 - (number % 2));
        round.wait();
        round.wait();
    }
    print("readers", readers.into_iter().map(|reader| reader.join().unwrap().into()));
    exit(0);
}

/// Moves pages of shared memory back and forth. Each reader has a mapping of its own, which it drops again and again.
fn touch_moved_pages() -> ! {
    let len = SHARED_PAGES * PAGE as usize;
    // SAFETY: the name ends with a zero.
    let file = unsafe { libc::memfd_create(c"shared".as_ptr(), 0) };
    // SAFETY: no preconditions.
    assert_eq!(unsafe { libc::ftruncate(file, len as i64) }, 0);
    let moved = attribution::map(len, libc::MAP_SHARED, file);
    // SAFETY: the segment is mapped, and no other thread uses it yet.
    pages(moved, SHARED_PAGES).for_each(|page| unsafe { ptr::write_volatile(page as *mut u8, 1) });
    let mappings: Vec<_> = (0..READERS).map(|_| attribution::map(len, libc::MAP_SHARED, file)).collect();
    println!();
    print("segments", mappings.iter().map(|start| *start as i64));
    let ends = Arc::new(AtomicBool::new(false));
    let readers = mappings.into_iter().map(|mapping| {
        let ends = ends.clone();
        thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                attribution::advise(mapping, len, libc::MADV_DONTNEED);
                read(mapping, SHARED_PAGES);
            }
            gettid()
        })
    });
    let readers: Vec<_> = readers.collect();
    print("mover", [gettid().into()]);
    let pages: Vec<_> = pages(moved, SHARED_PAGES).collect();
    for round in 0..SHARED_ROUNDS {
        move_shared_pages(0, &pages, 1 + (round % 2) as i32);
    }
    ends.store(true, Ordering::Relaxed);
    print("readers", readers.into_iter().map(|reader| reader.join().unwrap().into()));
    exit(0);
}

fn pages(segment: usize, count: usize) -> impl Iterator<Item = u64> {
    (segment as u64..).step_by(PAGE as usize).take(count)
}

fn read(segment: usize, count: usize) {
    // SAFETY: the segment is mapped, and no thread writes it any more.
    pages(segment, count).for_each(|page| _ = unsafe { ptr::read_volatile(page as *const u8) });
}

/// Marks pages for lazy migration to a node, by mbind(2).
pub(crate) fn mark(segment: usize, len: usize, node: usize) {
    /// MPOL_MF_MOVE | MPOL_MF_LAZY, of linux/mempolicy.h.
    const MOVE_LAZILY: u32 = 1 << 1 | 1 << 3;
    let nodes = 1_u64 << node;
    // SAFETY: the segment is mapped; the kernel reads one word of nodes.
    let ret =
        unsafe { libc::syscall(libc::SYS_mbind, segment, len, libc::MPOL_BIND, &raw const nodes, 64_u64, MOVE_LAZILY) };
    assert_eq!(ret, 0, "mbind: {}", std::io::Error::last_os_error());
}
