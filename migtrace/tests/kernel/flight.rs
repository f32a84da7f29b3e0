//! `record --flight`: the last seconds, in memory until somebody wants them.

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
