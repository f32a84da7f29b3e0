//! Files of flight recordings and of rotated recordings.

use std::{ffi::OsStr, path::Path};

use migtrace::{event::Body, trace::Trace};

use crate::{
    recorder::{Recorder, wait_for},
    support::Script,
};

#[test]
fn a_flight_recording_is_written_on_trigger_on_signal_and_at_the_end() {
    let options = ["--flight", "1h", "--trigger", "kind == phase && text == 'pid'"];
    let text = "anon seg 8p\nmap seg\ntouch seg write\nsleep 300\npid\n";
    let script = Script::new(text);
    let dir = tempfile::tempdir().unwrap();
    let end = dir.path().join("end");
    // The workload continues until this test has seen two files.
    let wait = "\"$0\" \"$1\" \"$2\"; until [ -e \"$3\" ]; do sleep 0.1; done";
    let [migtrace, memtoy, path] = script.argv();
    let argv = [OsStr::new("sh"), OsStr::new("-c"), OsStr::new(wait), migtrace, memtoy, path, end.as_os_str()];
    let recorder = Recorder::start(&options, &argv);
    // This phase is the trigger.
    recorder.wait_for_output("pid = ");
    let first = recorder.trace().to_owned();
    wait_for("the trigger's file", || first.exists().then_some(()));
    recorder.signal(libc::SIGUSR1);
    let [second, third] = [1, 2].map(|n| first.with_file_name(format!("run.{n}.parquet")));
    wait_for("the signal's file", || second.exists().then_some(()));
    std::fs::write(&end, "").unwrap();
    let ended = recorder.end();
    assert!(ended.status.success(), "{}", ended.stderr);
    let phases = |path: &Path| {
        let trace = Trace::open(path).unwrap();
        assert_eq!(trace.meta().lost(), 0);
        let texts = trace.read_all().unwrap().into_iter().filter_map(|event| match event.body {
            Body::Phase(phase) => Some(phase.text),
            _ => None,
        });
        texts.collect::<Vec<_>>()
    };
    let all: Vec<_> = text.lines().collect();
    for path in [&first, &second, &third] {
        assert_eq!(phases(path), all, "{}", path.display());
    }
}

#[test]
fn a_rotated_recording_is_complete() {
    let text =
        "anon seg 64p\nmap seg\ntouch seg write\nsleep 1200\nmbind seg bind+move 2\nsleep 1200\ntouch seg read\npid\n";
    let script = Script::new(text);
    let ended = Recorder::start(&["--rotate-time", "1s"], &script.argv()).end();
    assert!(ended.status.success(), "{}", ended.stderr);
    let numbered = |n: usize| match n {
        0 => ended.trace.clone(),
        n => ended.trace.with_file_name(format!("run.{n}.parquet")),
    };
    let parts: Vec<_> = (0..).map(numbered).take_while(|path| path.exists()).collect();
    assert!(parts.len() >= 3, "{parts:?}");
    let (mut phases, mut events, mut until_ns) = (Vec::new(), 0, None);
    for (number, part) in parts.iter().enumerate() {
        let trace = Trace::open(part).unwrap();
        let meta = trace.meta();
        assert_eq!(meta.part, Some(number as u32));
        assert!(until_ns.is_none_or(|until| until == meta.start_ns), "{until_ns:?} {}", meta.start_ns);
        until_ns = meta.end_ns;
        let is_last = number + 1 == parts.len();
        assert_eq!(meta.account.is_empty(), !is_last);
        for event in trace.read_all().unwrap() {
            events += u64::from(!matches!(event.body, Body::Node(_) | Body::Loss(_)));
            if let Body::Phase(phase) = event.body {
                phases.push(phase.text);
            }
        }
        if is_last {
            assert_eq!((meta.lost(), events), (0, meta.account.iter().map(|a| a.stored).sum()));
        }
    }
    assert_eq!(phases, text.lines().collect::<Vec<_>>());
}
