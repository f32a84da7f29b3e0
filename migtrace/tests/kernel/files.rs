//! How a recording becomes files: the last seconds, in memory until somebody wants them, and one file after the other.

use std::path::Path;

use migtrace::{event::Body, trace::Trace};

use crate::{
    recorder::{Recorder, wait_for},
    support::Script,
};

#[test]
fn a_flight_recording_is_written_on_a_signal_when_something_happens_and_at_the_end() {
    let options = ["--flight", "60", "--trigger", "kind == phase && text == 'pid'"];
    let script = Script::new("anon seg 8p\nmap seg\ntouch seg write\nsleep 300\npid\nsleep 3000\n");
    let recorder = Recorder::start(&options, &script.argv());
    // The trigger's file.
    recorder.wait_for_output("pid = ");
    let first = recorder.trace().to_owned();
    wait_for("the trigger's file", || first.exists().then_some(()));
    recorder.signal(libc::SIGUSR1);
    let [second, third] = [1, 2].map(|n| first.with_file_name(format!("run.{n}.parquet")));
    wait_for("the signal's file", || second.exists().then_some(()));
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
    let all = ["anon seg 8p", "map seg", "touch seg write", "sleep 300", "pid", "sleep 3000"];
    assert_eq!(phases(&third), all);
    for earlier in [phases(&first), phases(&second)] {
        assert!(all.starts_with(&earlier.iter().map(String::as_str).collect::<Vec<_>>()), "{earlier:?}");
        assert!(earlier.len() >= 5, "{earlier:?}");
    }
}

#[test]
fn a_recording_into_several_files_is_whole() {
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
            events += u64::from(!matches!(event.body, Body::Loss(_)));
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
