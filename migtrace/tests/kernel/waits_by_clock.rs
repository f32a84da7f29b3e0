//! The time of waits for migrations, against the readers' own clock: they read it before and after each touch. Huge
//! pages migrate back and forth, so that a wait takes long.

use std::{
    collections::BTreeMap,
    env,
    process::exit,
    ptr,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use migtrace::event::FaultClass;

use crate::{
    attribution::{self, WORKLOAD},
    holder::move_pages,
    own_workload::argv,
    recorder::Recorder,
    requirements::needs,
    support::{migtrace, texts},
    waits::gettid,
};

const HUGE_PAGE: usize = 2 << 20;
const HUGE_PAGES: usize = 4;
const READERS: usize = 3;
const ROUNDS: usize = 60;
/// The readers print touches that took longer. One without a fault takes less, also on an emulated CPU.
const SLOW_NS: u64 = 5_000;
/// By how much the kernel's clock in a program can differ from that of clock_gettime(2): it is read without a lock.
const CLOCK_NS: u64 = 10_000;

#[test]
fn waits_for_migrations_take_as_long_as_the_touches_of_the_readers() {
    needs!(huge_pages);
    if env::var_os(WORKLOAD).is_some() {
        workload();
    }
    let argv = argv("waits_by_clock::waits_for_migrations_take_as_long_as_the_touches_of_the_readers");
    let run = Recorder::start(&[], &argv).finish();
    run.assert_lossless();

    // By thread: the slow touches, by their start, with their end and the time of waits in them.
    let mut touches = BTreeMap::<u32, BTreeMap<u64, (u64, u64)>>::new();
    for line in run.ended.stdout.lines().filter_map(|line| line.strip_prefix("reader ")) {
        let mut numbers = line.split_whitespace().map(|number| number.parse::<u64>().unwrap());
        let of_reader = touches.entry(numbers.next().unwrap() as u32).or_default();
        while let Some((start, end)) = numbers.next().zip(numbers.next()) {
            of_reader.insert(start, (end, 0));
        }
    }
    assert_eq!(touches.len(), READERS);
    let (mut faults, mut in_faults_ns, mut longest_ns) = (0, 0, 0);
    for (event, fault) in run.faults().into_iter().filter(|(_, f)| f.class == Some(FaultClass::MigrationWait)) {
        let latency_ns = fault.latency_ns.unwrap();
        (faults, in_faults_ns, longest_ns) = (faults + 1, in_faults_ns + latency_ns, longest_ns.max(latency_ns));
        if latency_ns <= SLOW_NS {
            continue;
        }
        let of_reader = touches.get_mut(&event.tid).unwrap_or_else(|| panic!("a wait of no reader: {event:#?}"));
        let touch = of_reader.range_mut(..=event.start_ns() + CLOCK_NS).next_back();
        let (_, (end, waited_ns)) = touch.unwrap_or_else(|| panic!("a wait before any touch: {event:#?}"));
        assert!(event.ts_ns <= *end + CLOCK_NS, "a wait in no touch: {event:#?}");
        *waited_ns += latency_ns;
    }

    let (mut in_waits_ns, mut by_clock_ns) = (0, 0);
    for (tid, of_reader) in &touches {
        let with_waits = || of_reader.iter().filter(|(_, (_, waited_ns))| *waited_ns > 0);
        for (start, (end, waited_ns)) in with_waits() {
            // A fault that is retried is in the trace as often as the kernel handles it.
            assert!(*waited_ns <= end - start + CLOCK_NS, "{waited_ns} ns in a touch of {} ns", end - start);
            (in_waits_ns, by_clock_ns) = (in_waits_ns + waited_ns, by_clock_ns + end - start);
        }
        assert!(with_waits().count() > 5, "{} touches of thread {tid} waited", with_waits().count());
    }
    println!("{in_waits_ns} ns in waits, {by_clock_ns} ns by the clock");
    // The rest is the exception itself, the fault after a wait, and time without a CPU: 15 to 32 % of a reader's time
    // on an emulated CPU.
    assert!(2 * in_waits_ns >= by_clock_ns, "{in_waits_ns} ns in waits, {by_clock_ns} ns by the clock");

    let output = migtrace().args(["summary", "--json"]).arg(&run.ended.trace).output().unwrap();
    let (stdout, stderr) = texts(&output);
    let summary: serde_json::Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout} {stderr}"));
    let waits = summary["migration_waits"].as_array().unwrap();
    let sum = |key: &str| waits.iter().map(|wait| wait[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("faults"), sum("total_ns")), (faults, in_faults_ns), "waits of the summary against the faults");
    assert_eq!(waits.iter().map(|wait| wait["max_ns"].as_u64().unwrap()).max(), Some(longest_ns));
    let class = summary["faults"].as_array().unwrap().iter().find(|of| of["class"] == "migration_wait").unwrap();
    assert_eq!(class["latency"]["total_ns"], in_faults_ns);
}

fn workload() -> ! {
    let len = HUGE_PAGES * HUGE_PAGE;
    let reserved = attribution::map(len + HUGE_PAGE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1);
    let segment = reserved.next_multiple_of(HUGE_PAGE);
    attribution::advise(segment, len, libc::MADV_HUGEPAGE);
    let pages: Vec<u64> = (segment as u64..(segment + len) as u64).step_by(HUGE_PAGE).collect();
    // SAFETY: the segment is mapped, and no other thread uses it yet.
    pages.iter().for_each(|page| unsafe { ptr::write_volatile(*page as *mut u8, 1) });
    let (ends, begin) = (Arc::new(AtomicBool::new(false)), Arc::new(Barrier::new(READERS + 1)));
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let (pages, ends, begin) = (pages.clone(), ends.clone(), begin.clone());
            thread::spawn(move || {
                let mut slow = Vec::new();
                begin.wait();
                while !ends.load(Ordering::Relaxed) {
                    for page in &pages {
                        let start = now();
                        // SAFETY: the segment is mapped, and no thread writes it any more.
                        unsafe { ptr::read_volatile(*page as *const u8) };
                        let end = now();
                        if end - start > SLOW_NS {
                            slow.push((start, end));
                        }
                    }
                }
                (gettid(), slow)
            })
        })
        .collect();
    begin.wait();
    for round in 0..ROUNDS {
        move_pages(0, &pages, 1 + (round % 2) as i32);
    }
    ends.store(true, Ordering::Relaxed);
    println!();
    for (tid, slow) in readers.into_iter().map(|reader| reader.join().unwrap()) {
        let touches: Vec<_> = slow.iter().map(|(start, end)| format!("{start} {end}")).collect();
        println!("reader {tid} {}", touches.join(" "));
    }
    exit(0);
}

/// CLOCK_BOOTTIME, ns: the clock of traces.
fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) }, 0);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
