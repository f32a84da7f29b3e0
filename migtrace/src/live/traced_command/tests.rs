use std::{fs, sync::mpsc};

use super::*;

fn start(script: &str) -> TracedCommand {
    TracedCommand::start(&["sh", "-c", script].map(str::to_owned)).expect("started")
}

fn has_memory(pid: u32) -> bool {
    fs::read(format!("/proc/{pid}/maps")).is_ok_and(|maps| !maps.is_empty())
}

#[test]
fn a_command_has_its_memory_before_it_exits() {
    let command = start("exit 7");
    let pid = command.pid;
    let paused = command.wait_until(None).expect("waited");
    assert_eq!((paused, has_memory(pid)), (Paused::BeforeExit, true));
    assert_eq!(command.finish(paused).expect("ended").code(), Some(7));
}

#[test]
fn signals_reach_it_and_can_end_it() {
    let command = start("trap 'exit 3' USR1; kill -USR1 $$; exit 4");
    assert_eq!(command.finish(Paused::Time).expect("ended").code(), Some(3));
    let command = start("kill -TERM $$; exit 4");
    let paused = command.wait_until(None).expect("waited");
    assert_eq!(paused, Paused::BeforeExit);
    assert_eq!(command.finish(paused).expect("ended").signal(), Some(libc::SIGTERM));
}

#[test]
fn job_control_stops_it_and_time_goes_on() {
    let command = start("kill -STOP $$; exit 5");
    let paused = command.wait_until(Some(Instant::now() + Duration::from_millis(300))).expect("waited");
    assert_eq!(paused, Paused::Time);
    let stat = fs::read_to_string(format!("/proc/{}/stat", command.pid)).expect("it is there");
    assert!(stat.contains(") T ") || stat.contains(") t "), "{stat}");
    // SAFETY: a signal to a child that was not waited for.
    unsafe { libc::kill(command.pid as i32, libc::SIGCONT) };
    assert_eq!(command.finish(paused).expect("ended").code(), Some(5));
}

#[test]
fn a_command_that_executes_another_program_goes_on() {
    let command = start("exec sh -c 'exit 6'");
    assert_eq!(command.finish(Paused::Time).expect("ended").code(), Some(6));
}

/// What a thread sees that follows a command, and how the command ends for the thread that waits for it.
fn followed(argv: &[&str]) -> (Vec<(Stop, bool)>, Option<ExitStatus>) {
    let argv: Vec<_> = argv.iter().map(|&word| word.to_owned()).collect();
    let mut workload = Workload::hold(&argv, None).expect("forked");
    let (pid, (is_followed, ready)) = (workload.pid, mpsc::channel());
    let follows = thread::spawn(move || {
        let command = TracedCommand::follow(pid).expect("traced");
        is_followed.send(()).expect("received");
        let mut stops = Vec::new();
        while let Some(stop) = command.next_stop().expect("waited") {
            stops.push((stop, has_memory(pid)));
            command.resume().expect("it goes on");
        }
        stops
    });
    ready.recv().expect("followed");
    workload.go().expect("it waits");
    let status = workload.wait().ok();
    (follows.join().expect("no panic"), status)
}

#[test]
fn a_followed_command_stops_after_each_exec_and_before_its_exit() {
    let outer = "trap : USR1; kill -USR1 $$; exec sh -c \"$1\"";
    let stops_itself = "(until grep -q 'State:.[tT]' /proc/$$/status; do sleep 0.01; done; sleep 0.1; kill -CONT $$) &
        kill -STOP $$; exit 7";
    let (stops, status) = followed(&["sh", "-c", outer, "sh", stops_itself]);
    let (exec, exit) = ((Stop::Executed, true), (Stop::BeforeExit, true));
    assert_eq!((stops, status.and_then(|status| status.code())), (vec![exec, exec, exit], Some(7)));
}

#[test]
fn a_followed_command_that_cannot_be_executed_does_not_stop() {
    assert_eq!(followed(&["/nonexistent/command"]), (Vec::new(), None));
}

#[test]
fn a_command_that_cannot_be_executed_is_an_error() {
    let error = TracedCommand::start(&["/nonexistent/command".to_owned()]).err().expect("no such file");
    let reason = error.get_ref().and_then(|inner| inner.downcast_ref::<NotStarted>()).map(|reason| reason.status);
    assert_eq!(reason, Some(127));
}
