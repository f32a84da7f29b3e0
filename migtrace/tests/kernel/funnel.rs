//! The funnel of a range marked for lazy migration balances exactly, for every fate of its pages:
//! marked = migrated + already placed + failed + gone + untouched.

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Stdio, exit},
    ptr,
};

use migtrace::model::lazy::{fate::Gone, funnel::Funnel};

use crate::{
    attribution::{self, WORKLOAD, workload_argv},
    recorder::{ChildGuard, Recorder},
    requirements::needs,
    support::{PAGES, Run, Script, WRITTEN_ON_1, record},
    waits_for_locks,
};

/// Returns the funnel of all marks in a recording. Asserts that nothing is lost and that the funnel balances.
fn funnel(run: &Run) -> Funnel {
    run.assert_lossless();
    let model = migtrace::model::Run::new(run.meta.clone(), run.events.clone());
    let funnel = model.marks.all().clone();
    assert!(funnel.holds(), "{funnel:?}");
    assert_eq!(funnel.counted_pages, Some(funnel.marked_pages), "the funnel's marked pages against the kernel's count");
    funnel
}

/// Returns the pages migrated, already placed, failed, gone and untouched.
fn counts(f: &Funnel) -> [u64; 5] {
    [f.migrated_pages, f.placed_pages, f.failed_total_pages(), f.gone_total_pages(), f.untouched_pages]
}

/// Marks the segment for lazy migration, runs the commands, and returns the funnel.
fn funnel_after(commands: &str) -> Funnel {
    funnel(&record(&format!("{WRITTEN_ON_1}mbind seg bind+move+lazy 2\n{commands}")))
}

#[test]
fn funnel_of_all_some_and_no_pages_touched() {
    needs!(migrate_on_fault);
    assert_eq!(counts(&funnel_after("touch seg read\n")), [PAGES, 0, 0, 0, 0]);
    let some = funnel_after("touch seg 0 3p read\n");
    assert_eq!((counts(&some), some.gone(Gone::Exited)), ([3, 0, 0, 5, 0], 5));
    assert_eq!(counts(&funnel_after("")), [0, 0, 0, PAGES, 0]);
}

#[test]
fn funnel_of_a_process_that_is_still_running() {
    needs!(migrate_on_fault);
    let touches = "touch seg 0 3p read\nwhere seg\nsnooze 600\n";
    let script = Script::new(&format!("{WRITTEN_ON_1}mbind seg bind+move+lazy 2\n{touches}"));
    let recorder = Recorder::attached(&[]);
    let mut memtoy = ChildGuard::start(script.command().stdout(Stdio::piped()));
    let lines = BufReader::new(memtoy.0.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains("absent: 5")));
    recorder.signal(libc::SIGINT);
    assert_eq!(counts(&funnel(&recorder.finish())), [3, 0, 0, 0, 5]);
}

#[test]
fn funnel_of_a_range_that_is_unmapped_half_way() {
    needs!(migrate_on_fault);
    assert_eq!(counts(&funnel_after("touch seg 0 4p read\nunmap seg\n")), [4, 0, 0, 4, 0]);
}

#[test]
fn funnel_of_an_unmapped_range_whose_process_is_still_running() {
    needs!(migrate_on_fault);
    let script = Script::new(&format!(
        "{WRITTEN_ON_1}mbind seg bind+move+lazy 2\ntouch seg 0 2p read\nunmap seg\npid\nsnooze 600\n"
    ));
    let of_recording = |options: &[&str]| {
        let recorder = Recorder::attached(options);
        let mut memtoy = ChildGuard::start(script.command().stdout(Stdio::piped()));
        let lines = BufReader::new(memtoy.0.stdout.take().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line.contains("pid = ")));
        recorder.signal(libc::SIGINT);
        recorder.finish()
    };
    let run = of_recording(&["--places"]);
    let f = funnel(&run);
    assert_eq!((counts(&f), f.gone(Gone::UnmappedRange)), ([2, 0, 0, PAGES - 2, 0], PAGES - 2), "{:#?}", run.places());
    let log = run.log();
    assert!(log.contains("6 gone (6 unmapped before any touch) + 0 untouched; the funnel balances"), "{log}");
    // Without changes of place, no event shows that the range is unmapped.
    assert_eq!(counts(&funnel(&of_recording(&[]))), [2, 0, 0, 0, PAGES - 2]);
}

#[test]
fn funnel_of_marked_pages_that_mremap_moves() {
    needs!(migrate_on_fault);
    if env::var_os(WORKLOAD).is_some() {
        let segment = attribution::map(2 * LEN, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1);
        let (moved, kept) = (segment, segment + LEN);
        for page in (segment..segment + 2 * LEN).step_by(4096) {
            // SAFETY: mapped, and no reference to it exists.
            unsafe { ptr::write_volatile(page as *mut u8, 1) };
        }
        waits_for_locks::mark(segment, 2 * LEN, 2);
        let to = attribution::map(LEN, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1);
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
        // SAFETY: both ranges are mappings of this workload.
        assert_eq!(unsafe { libc::mremap(moved as *mut _, LEN, LEN, flags, to) } as usize, to);
        // SAFETY: mapped by the call before.
        unsafe { ptr::read_volatile(to as *const u8) };
        // SAFETY: a mapping of this workload that nothing uses.
        assert_eq!(unsafe { libc::munmap(kept as *mut _, LEN) }, 0);
        exit(0);
    }
    let argv = workload_argv("funnel::funnel_of_marked_pages_that_mremap_moves");
    let f = funnel(&Recorder::start(&["--places"], &argv).finish());
    assert_eq!((counts(&f)[0], f.gone(Gone::UnmappedRange), f.gone(Gone::Exited)), (1, PAGES, PAGES - 1), "{f:?}");
}

/// Bytes of the range that mremap(2) moves.
const LEN: usize = PAGES as usize * 4096;

#[test]
fn funnel_of_a_range_that_is_unmapped_and_mapped_again() {
    needs!(migrate_on_fault);
    // The new mapping may have the old address. Its pages are new in either case.
    let f = funnel_after("touch seg 0 4p read\nunmap seg\nmap seg\ntouch seg write\n");
    assert_eq!(counts(&f), [4, 0, 0, 4, 0]);
}

#[test]
fn funnel_of_a_process_that_is_killed() {
    needs!(migrate_on_fault);
    let script =
        Script::new(&format!("{WRITTEN_ON_1}mbind seg bind+move+lazy 2\ntouch seg 0 2p read\nwhere seg\nsnooze 600\n"));
    let [program, memtoy, file] = script.argv().map(|a| a.to_str().unwrap().to_owned());
    let shell = format!(
        "{program} {memtoy} {file} > {file}.out & until grep 'absent: 6' {file}.out; do sleep 0.2; done; kill -9 $!; wait $!; rm {file}.out"
    );
    let run = Recorder::start(&[], &["sh", "-c", &shell]).finish();
    let f = funnel(&run);
    assert_eq!((counts(&f), f.gone(Gone::Exited)), ([2, 0, 0, 6, 0], 6));
}

#[test]
fn funnel_of_pages_that_are_placed_already() {
    needs!(migrate_on_fault);
    // The pages are marked for node 2. Then the policy names node 1, and the pages are still on node 1.
    let run = record(&format!("{WRITTEN_ON_1}mbind seg bind+move+lazy 2\nmbind seg bind 1\ntouch seg 0 6p read\n"));
    assert_eq!(counts(&funnel(&run))[1], 0, "a policy without lazy does not opt in to checks");
    let again = "mbind seg bind+move+lazy 1\ntouch seg 0 6p read\n";
    let run = record(&format!("{WRITTEN_ON_1}mbind seg bind+move+lazy 2\n{again}"));
    assert_eq!(counts(&funnel(&run)), [0, 6, 0, 2, 0]);
}

#[test]
fn funnel_with_a_pinned_page() {
    needs!(migrate_on_fault);
    let run = record(&format!("{WRITTEN_ON_1}pin seg 2p 1p\nmbind seg bind+move+lazy 2\ntouch seg read\nwhere seg\n"));
    let f = funnel(&run);
    assert_eq!(counts(&f), [PAGES - 1, 0, 1, 0, 0], "{f:?}");
    let reasons: Vec<(&str, u64)> = f.failed_pages.iter().map(|(r, n)| (&**r, *n)).collect();
    assert_eq!(reasons, [("refs", 1)]);
    let log = run.log();
    assert!(
        log.contains("(refs: another reference to the page is held)") && log.contains("1 failed (1 refs)"),
        "{log}"
    );
}

#[test]
fn funnel_of_a_huge_page() {
    needs!(migrate_on_fault);
    needs!(huge_pages);
    let run = record(
        "anon seg 2m huge\nmap seg\nmbind seg preferred 1\ntouch seg 0 1p write\nmbind seg bind+move+lazy 2\ntouch seg read\nwhere seg\n",
    );
    let f = funnel(&run);
    assert_eq!((f.total_pages(), f.gone_total_pages(), f.untouched_pages), (512, 0, 0), "{f:?}");
    assert!(f.migrated_pages > 0, "{f:?}");
}
