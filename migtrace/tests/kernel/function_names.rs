//! Names of functions that no file has: code that a process generates, and its perf map.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File, OpenOptions},
    io::Write as _,
    mem::transmute,
    path::PathBuf,
    process::{Command, exit},
    ptr, thread,
    time::Duration,
};

use crate::{
    attribution::{innermost, workload_argv},
    recorder::Recorder,
    support::{PAGE, Run},
};

/// How the workload writes its perf map.
const MAP: &str = "MIGTRACE_TEST_PERF_MAP";
const TEST: &str = "function_names::generated_code_is_named_by_its_perf_map";
/// `push rbp; mov rbp, rsp; mov byte [rdi], 1; pop rbp; ret`.
const CODE: [u8; 9] = [0x55, 0x48, 0x89, 0xe5, 0xc6, 0x07, 0x01, 0x5d, 0xc3];
/// Pages that each function touches in each round.
const FAULTS: usize = 8;
/// The recorder parses this large program in the first rounds, and reads nothing meanwhile.
const ROUNDS: usize = 20;

fn record(map: &str) -> Run {
    let argv: Vec<_> = [format!("{MAP}={map}").into()].into_iter().chain(workload_argv(TEST)).collect();
    let run = Recorder::start(&["--stacks"], &[vec!["env".into()], argv].concat()).finish();
    run.assert_lossless();
    run
}

fn faults_in(run: &Run, function: &str) -> usize {
    run.faults().iter().filter(|(event, _)| innermost(&event.user_stack) == Some(function)).count()
}

/// The innermost functions of all faults, and how often each is there.
fn innermost_of(run: &Run) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for (event, _) in run.faults() {
        *counts.entry(innermost(&event.user_stack).unwrap_or("none")).or_default() += 1;
    }
    counts
}

#[test]
fn generated_code_is_named_by_its_perf_map() {
    if let Some(map) = env::var_os(MAP) {
        workload(map.to_str().unwrap());
    }
    let run = record("grows");
    // The second function is listed when the first was already looked up.
    let counts = ["LazyCompile:~touch it.js:1", "second"].map(|function| faults_in(&run, function));
    assert!(
        counts.iter().all(|&count| count >= 2 * FAULTS),
        "{counts:?}: {} {:#?}",
        run.ended.stderr,
        innermost_of(&run)
    );
}

#[test]
fn a_perf_map_that_cannot_be_trusted_is_reported_and_not_used() {
    for (kind, reason) in [
        ("fifo", "not a regular file"),
        ("zero", "not a regular file"),
        ("foreign", "owned by user 4711"),
        ("garbage", "lines of perf maps ignored"),
    ] {
        let run = record(kind);
        let stderr = &run.ended.stderr;
        assert!(stderr.contains(reason), "{kind}: {stderr}");
        let faults = run.faults();
        let unnamed = faults.iter().filter(|(e, _)| innermost(&e.user_stack).is_some_and(|f| f.starts_with("0x")));
        assert!(unnamed.count() >= FAULTS * ROUNDS, "{kind}");
    }
}

/// Generates two functions, lists them in a perf map, and calls each to touch new pages.
fn workload(map: &str) -> ! {
    let path = PathBuf::from(format!("/tmp/perf-{}.map", std::process::id()));
    let _ = fs::remove_file(&path);
    match map {
        "fifo" => assert!(Command::new("mkfifo").arg(&path).status().unwrap().success()),
        "zero" => std::os::unix::fs::symlink("/dev/zero", &path).unwrap(),
        "foreign" => {
            File::create(&path).unwrap();
            std::os::unix::fs::chown(&path, Some(4711), None).unwrap();
        }
        "garbage" => fs::write(&path, [b'\n', 0xff, 0].repeat(100_000)).unwrap(),
        _ => {}
    }
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let code = anonymous(PAGE as usize, protection | libc::PROT_EXEC);
    let memory = anonymous(2 * FAULTS * ROUNDS * PAGE as usize, protection);
    let names = ["LazyCompile:~touch it.js:1", "second"];
    let functions = [0, 1].map(|number| {
        // SAFETY: the page was mapped for this.
        unsafe {
            let at = code.add(64 * number);
            ptr::copy_nonoverlapping(CODE.as_ptr(), at, CODE.len());
            transmute::<*mut u8, extern "C" fn(*mut u8)>(at)
        }
    });
    for (touched, number) in (0..2 * ROUNDS).map(|round| (round * FAULTS, round / ROUNDS)) {
        if touched % (ROUNDS * FAULTS) == 0 && ["grows", "foreign"].contains(&map) {
            let mut file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
            writeln!(file, "{:x} {:x} {}", functions[number] as usize, CODE.len(), names[number]).unwrap();
        }
        for page in touched..touched + FAULTS {
            // SAFETY: within the mapping.
            functions[number](unsafe { memory.add(page * PAGE as usize) });
        }
        thread::sleep(if map == "grows" { Duration::from_millis(400) } else { Duration::from_millis(20) });
    }
    let _ = fs::remove_file(&path);
    exit(0);
}

fn anonymous(len: usize, protection: i32) -> *mut u8 {
    // SAFETY: a new mapping at an address that the kernel chooses.
    let mapped =
        unsafe { libc::mmap(ptr::null_mut(), len, protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
    assert_ne!(mapped, libc::MAP_FAILED);
    // SAFETY: the range is mapped.
    unsafe { libc::madvise(mapped, len, libc::MADV_NOHUGEPAGE) };
    mapped.cast()
}
