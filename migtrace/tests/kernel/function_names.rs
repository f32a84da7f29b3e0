//! Names of functions that no file has: code that a process generates, and its perf map.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
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
/// The file that lets the workload end.
const GO: &str = "MIGTRACE_TEST_GO";
const TEST: &str = "function_names::generated_code_is_named_by_its_perf_map";
/// `push rbp; mov rbp, rsp; mov byte [rdi], 1; pop rbp; ret`.
const CODE: [u8; 9] = [0x55, 0x48, 0x89, 0xe5, 0xc6, 0x07, 0x01, 0x5d, 0xc3];
/// Pages that a function touches in each round.
const FAULTS: usize = 8;
const ROUND: Duration = Duration::from_millis(20);

/// Records a workload. If there is a message to wait for, the workload runs until the recorder has logged it.
fn record(map: &str, test: &str, until: Option<&str>) -> Run {
    let dir = tempfile::tempdir().unwrap();
    let go = dir.path().join("go");
    let env = ["env".into(), format!("{MAP}={map}").into(), format!("{GO}={}", go.display()).into()];
    let argv: Vec<OsString> = env.into_iter().chain(workload_argv(test)).collect();
    let log = [("MIGTRACE_LOG", "warn,migtrace::live::symbols=debug")];
    let recorder = Recorder::start_with(&log, &["--stacks"], &argv);
    if let Some(message) = until {
        recorder.wait_for_message(message);
        File::create(&go).unwrap();
    }
    let run = recorder.finish();
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
    let run = record("grows", TEST, Some("bytes of the perf map of process"));
    // The second function is listed when the first line was already read, just before the exit.
    let counts = ["LazyCompile:~touch it.js:1", "second"].map(|function| faults_in(&run, function));
    let seen = innermost_of(&run);
    assert!(counts[0] >= 2 * FAULTS && counts[1] == FAULTS, "{counts:?}: {} {seen:#?}", run.ended.stderr);
}

#[test]
fn a_perf_map_that_cannot_be_trusted_is_reported_and_not_used() {
    for (kind, logged, reason) in [
        ("fifo", "perf map ignored", "not a regular file"),
        ("zero", "perf map ignored", "not a regular file"),
        ("foreign", "perf map ignored", "owned by user 4711"),
        ("garbage", "bytes of the perf map of process", "lines of perf maps ignored"),
    ] {
        let run = record(kind, TEST, Some(logged));
        let stderr = &run.ended.stderr;
        assert!(stderr.contains(reason), "{kind}: {stderr}");
        let faults = run.faults();
        let unnamed = faults.iter().filter(|(e, _)| innermost(&e.user_stack).is_some_and(|f| f.starts_with("0x")));
        assert!(unnamed.count() >= 2 * FAULTS, "{kind}");
    }
}

/// The vDSO writes into new pages. The process has exited when its frames are looked up: it runs for a few milliseconds,
/// and the recorder parses the symbols of the program meanwhile.
#[test]
fn functions_of_the_vdso_are_named() {
    if env::var_os(MAP).is_some() {
        let memory = anonymous(FAULTS * PAGE as usize, libc::PROT_READ | libc::PROT_WRITE);
        for page in 0..FAULTS {
            // SAFETY: within the mapping.
            let now = unsafe { libc::time(memory.add(page * PAGE as usize).cast()) };
            assert!(now > 0);
        }
        exit(0);
    }
    let run = record("vdso", "function_names::functions_of_the_vdso_are_named", None);
    // In 5.15, `__vdso_clock_gettime` is a jump to a function without a symbol.
    assert!(faults_in(&run, "__vdso_time") >= FAULTS, "{:#?}", innermost_of(&run));
}

/// Generates two functions, and calls the first to touch pages until it may end. Then it lists and calls the second, too.
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
    let memory = anonymous(FAULTS * PAGE as usize, protection);
    let functions = [0, 1].map(|number| {
        // SAFETY: the page was mapped for this.
        unsafe {
            let at = code.add(64 * number);
            ptr::copy_nonoverlapping(CODE.as_ptr(), at, CODE.len());
            transmute::<*mut u8, extern "C" fn(*mut u8)>(at)
        }
    });
    let list = |number: usize, name: &str| {
        if ["grows", "foreign"].contains(&map) {
            let mut file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
            writeln!(file, "{:x} {:x} {name}", functions[number] as usize, CODE.len()).unwrap();
        }
    };
    let touch = |number: usize| {
        // SAFETY: nothing else uses the pages.
        assert_eq!(unsafe { libc::madvise(memory.cast(), FAULTS * PAGE as usize, libc::MADV_DONTNEED) }, 0);
        for page in 0..FAULTS {
            // SAFETY: within the mapping.
            functions[number](unsafe { memory.add(page * PAGE as usize) });
        }
    };
    list(0, "LazyCompile:~touch it.js:1");
    let go = PathBuf::from(env::var_os(GO).unwrap());
    while !go.exists() {
        touch(0);
        thread::sleep(ROUND);
    }
    touch(0);
    list(1, "second");
    touch(1);
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
