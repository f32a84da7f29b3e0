//! Threads that wait for a page that is being migrated. A child process has threads that read pages, and one that
//! migrates them. getrusage(2) of the readers and kprobes on the functions in which a fault waits are the witnesses.

use std::{
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
    holder::move_pages,
    independent_counters::FtraceInstance,
    own_workload::argv,
    recorder::Recorder,
    requirements::needs,
    support::{PAGE, Run},
    workloads::CallCounter,
};

/// Pages of the segment: one huge page.
const PAGES: usize = 512;
const READERS: usize = 3;
const ROUNDS: usize = 60;

#[test]
fn faults_wait_for_pages_that_another_thread_moves() {
    if env::var_os(WORKLOAD).is_some() {
        workload(libc::MADV_NOHUGEPAGE);
    }
    assert_waits("waits::faults_wait_for_pages_that_another_thread_moves");
}

#[test]
fn faults_wait_for_a_huge_page_that_another_thread_moves() {
    needs!(huge_pages);
    if env::var_os(WORKLOAD).is_some() {
        workload(libc::MADV_HUGEPAGE);
    }
    assert_waits("waits::faults_wait_for_a_huge_page_that_another_thread_moves");
}

fn assert_waits(test: &str) {
    // Of a base page, and of a huge page.
    let calls = ["migration_entry_wait", "pmd_migration_entry_wait"].map(CallCounter::start);
    let events = calls.each_ref().map(CallCounter::event);
    let ftrace = FtraceInstance::start(&events.each_ref().map(String::as_str));
    let run = Recorder::start(&[], &argv(test)).finish();
    let called = ftrace.stop();
    drop(calls);
    let printed = |name: &str| run.printed::<u64>(name);
    let (segment, mover, readers) = (printed("segment")[0], printed("mover")[0] as u32, printed("readers"));
    let waits = waits(&run, segment, printed("writer")[0] as u32);
    let marks = printed("marks")[0];
    assert!(!waits.is_empty(), "no reader waited for a page in {ROUNDS} moves");
    for (n, (&reader, &counted)) in readers.iter().zip(&printed("faults")).enumerate() {
        // The kernel counts a fault that it retries once, when it ends.
        let is_counted =
            |event: &Event, fault: &Fault| u64::from(event.tid) == reader && fault.result.as_deref() != Some("retry");
        let of_reader: Vec<_> = run.faults().into_iter().filter(|(event, fault)| is_counted(event, fault)).collect();
        let until_mark = of_reader.iter().take_while(|(_, fault)| fault.addr != marks + n as u64 * PAGE).count();
        assert_eq!(until_mark as u64, counted, "faults of reader {n}, in the trace and by getrusage(2)");
    }
    for reader in &readers {
        let waited = waits
            .iter()
            .filter(|(tid, class, _)| u64::from(*tid) == *reader && *class == Some(FaultClass::MigrationWait));
        let called = called.iter().filter(|call| u64::from(call.tid) == *reader);
        assert_eq!(waited.count(), called.count(), "waits of thread {reader}, in the trace and by calls of the kernel");
    }
    let mut named = 0;
    for (tid, class, wait) in &waits {
        assert!(readers.contains(&u64::from(*tid)), "{tid} {readers:?}");
        // If the migration ends between the exception and the kernel's look at the page table, the fault waits for
        // nothing, and has its mapping's class. So does a fault that waits for the lock of a huge page's page table.
        let Some(FaultClass::MigrationWait) = class else {
            assert_eq!((*class, wait), (Some(FaultClass::Anon), &None));
            continue;
        };
        // A wait can begin in the moment in which the migration ends: the page is mapped again by then.
        if let Some((cause, wait_tid)) = wait {
            assert_eq!((*cause, *wait_tid), (Cause::MovePages, mover));
            named += 1;
        }
    }
    assert!(named > 0, "no wait of {} names its migration", waits.len());
    run.assert_lossless();
}

type Wait = (u32, Option<FaultClass>, Option<(Cause, u32)>);

/// The faults in the segment, but for those of the thread that touched it first.
fn waits(run: &Run, segment: u64, writer: u32) -> Vec<Wait> {
    let range = segment..segment + PAGES as u64 * PAGE;
    let faults = run.faults().into_iter().filter(|(event, fault)| range.contains(&fault.addr) && event.tid != writer);
    faults.map(|(event, fault)| (event.tid, fault.class, fault.wait.as_ref().map(|w| (w.cause, w.tid)))).collect()
}

pub(crate) fn workload(advice: i32) -> ! {
    let len = PAGES * PAGE as usize;
    let segment = attribution::map(2 * len, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1).next_multiple_of(len);
    attribution::advise(segment, len, advice);
    let pages: Vec<u64> = (segment as u64..(segment + len) as u64).step_by(PAGE as usize).collect();
    // The main thread of the test binary only waits for this one; the first touch must not be a reader's.
    let written = thread::spawn({
        let pages = pages.clone();
        move || {
            // SAFETY: the segment is mapped, and no other thread uses it yet.
            pages.iter().for_each(|page| unsafe { ptr::write_volatile(*page as *mut u8, 1) });
            gettid()
        }
    });
    let writer = written.join().unwrap();
    println!("\nsegment {segment}\nwriter {writer}");

    let marks = attribution::map(READERS * PAGE as usize, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1);
    println!("marks {marks}");

    let (ends, begin) = (Arc::new(AtomicBool::new(false)), Arc::new(Barrier::new(READERS + 1)));
    let readers: Vec<_> = (0..READERS)
        .map(|n| {
            let mark = marks + n * PAGE as usize;
            let (pages, ends, begin) = (pages.clone(), ends.clone(), begin.clone());
            thread::spawn(move || {
                // SAFETY: the segment is mapped, and no thread writes it any more.
                let read = || pages.iter().for_each(|page| _ = unsafe { ptr::read_volatile(*page as *const u8) });
                begin.wait();
                while !ends.load(Ordering::Relaxed) {
                    read();
                }
                let faults = faults_of_thread();
                // SAFETY: mapped, and no other thread uses that page. This fault is the first one not counted.
                unsafe { ptr::write_volatile(mark as *mut u8, 1) };
                (gettid(), faults)
            })
        })
        .collect();
    begin.wait();
    println!("mover {}", gettid());
    for round in 0..ROUNDS {
        move_pages(0, &pages, 1 + (round % 2) as i32);
    }
    ends.store(true, Ordering::Relaxed);
    let readers: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
    let text =
        |of: &dyn Fn(&(i32, i64)) -> i64| readers.iter().map(|r| of(r).to_string()).collect::<Vec<_>>().join(" ");
    println!("readers {}", text(&|(tid, _)| i64::from(*tid)));
    println!("faults {}", text(&|(_, faults)| *faults));
    exit(0);
}

pub(crate) fn gettid() -> i32 {
    // SAFETY: no preconditions.
    unsafe { libc::gettid() }
}

fn faults_of_thread() -> i64 {
    // SAFETY: plain integers, for which zero is a valid value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is a valid place for the answer.
    assert_eq!(unsafe { libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage) }, 0);
    usage.ru_minflt
}
