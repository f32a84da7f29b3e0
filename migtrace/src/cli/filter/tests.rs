use clap::Parser;

use super::*;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: FilterArgs,
}

fn filter(options: &[&str]) -> String {
    let cgroups = [(7, "/a/b"), (8, "/a"), (9, "/ab")].map(|(id, path)| (id, path.to_owned()));
    let command = Command::try_parse_from(["x"].iter().chain(options)).unwrap_or_else(|e| panic!("{e}"));
    command.args.filter(&cgroups.into()).expect("a filter").to_string()
}

#[test]
fn a_thread_is_no_process() {
    let (sender, own_tid) = std::sync::mpsc::channel();
    let (ended, waits) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        sender.send(rustix::thread::gettid().as_raw_nonzero().get() as u32).unwrap();
        let _ = waits.recv();
    });
    let checked = |pid| FilterArgs { pid: vec![pid], ..FilterArgs::default() }.check_pids();
    let (process, tid) = (std::process::id(), own_tid.recv().unwrap());
    checked(process).expect("a process");
    let error = checked(tid).unwrap_err().to_string();
    assert!(error.contains(&format!("--pid {process} --filter 'tid == {tid}'")), "{error}");
    assert!(checked(u32::MAX).unwrap_err().to_string().contains("no such process"));
    drop(ended);
    thread.join().unwrap();
}

#[test]
fn options_are_expressions() {
    let is = |options: &[&str], expected: &str| assert_eq!(filter(options), expected);
    is(&[], "true");
    is(&["--pid", "1", "--pid", "7"], "pid in [1, 7] || owner_pid in [1, 7]");
    is(
        &["--comm", "a\"b", "--comm", "c"],
        r#"comm == "a\"b" || owner_comm == "a\"b" || comm == "c" || owner_comm == "c""#,
    );
    is(&["--cgroup", "7"], "cgroup_id == 7 || owner_cgroup_id == 7");
    is(&["--cgroup", "/sys/fs/cgroup/a/"], "cgroup_id in [7, 8] || owner_cgroup_id in [7, 8]");
    is(&["--cgroup", "/"], "cgroup_id in [7, 8, 9] || owner_cgroup_id in [7, 8, 9]");
    is(&["--cgroup", "/sys/fs/cgroup"], "cgroup_id in [7, 8, 9] || owner_cgroup_id in [7, 8, 9]");
    is(&["--cgroup", "/sys/fs/cgroup/memory/a"], "cgroup_id in [7, 8] || owner_cgroup_id in [7, 8]");
    is(&["--cpu", "0-3"], "cpu <= 3");
    is(&["--cpu", "2-30,80"], "(cpu >= 2 && cpu <= 30) || cpu == 80");
    is(&["--cpu", "2-3,8"], "cpu in [2, 3, 8]");
    is(&["--node", "1"], "cpu_node == 1 || nid == 1 || src_nid == 1 || dst_nid == 1");
    is(&["--node-pair", "0:1"], "src_nid == 0 && dst_nid == 1");
    is(
        &["--node-pair", "0:1", "--node-pair", "1:0,2"],
        "(src_nid == 0 && dst_nid == 1) || (src_nid == 1 && dst_nid in [0, 2])",
    );
    is(&["--kind", "fault", "-k", "check", "--cause", "mbind"], "kind in [fault, check] && cause == mbind");
    is(&["--addr", "0x1000-0x3000"], "addr >= 0x1000 && addr <= 0x2fff");
    is(&["--addr", "0x1000+8k", "--min-latency", "10us"], "addr >= 0x1000 && addr <= 0x2fff && latency_ns >= 10us");
    is(&["--pid", "1", "--filter", "major || nid == 2"], "(pid == 1 || owner_pid == 1) && (major || nid == 2)");
}

#[test]
fn containers_are_their_cgroups() {
    let paths = [
        (7, format!("/docker/{}/init", &"ab1".repeat(22)[..64])),
        (8, format!("/docker/{}/app", &"ab1".repeat(22)[..64])),
        (9, format!("/system.slice/docker-{}.scope", &"ab2".repeat(22)[..64])),
        (10, "/lxc.payload.web/app".to_owned()),
        (11, "/system.slice/web.service".to_owned()),
    ];
    let filter = |options: &[&str]| {
        let command = Command::try_parse_from(["x"].iter().chain(options)).expect("read");
        command.args.filter(&paths.clone().into()).map(|filter| filter.to_string())
    };
    let is = |options: &[&str], expected: &str| assert_eq!(filter(options).expect("a filter"), expected);
    is(&["--container", "ab1"], "cgroup_id in [7, 8] || owner_cgroup_id in [7, 8]");
    is(&["--container", "ab2", "--container", "web"], "cgroup_id in [9, 10] || owner_cgroup_id in [9, 10]");
    is(
        &["--container", "web", "--cgroup", "/system.slice/web.service"],
        "cgroup_id in [10, 11] || owner_cgroup_id in [10, 11]",
    );
    assert!(filter(&["--container", "ab"]).expect_err("two").to_string().contains("2 containers"));
    assert!(filter(&["--container", "ac"]).expect_err("none").to_string().contains("no event of this container"));
}

#[test]
fn options_that_say_nothing_are_refused() {
    for options in [
        ["--cpu", "a"],
        ["--node-pair", "1"],
        ["--kind", "faul"],
        ["--cause", "x"],
        ["--addr", "0x2000-0x1000"],
        ["--addr", "0x1000"],
        ["--addr", "0xffffffffffffffff+2"],
        ["--min-latency", "10"],
        ["--comm", "longer-than-16-bytes"],
        ["--cgroup", "/a/../b"],
        ["--filter", "nonsense"],
    ] {
        assert!(Command::try_parse_from(["x"].iter().chain(&options)).is_err(), "{options:?}");
    }
    let command = Command::try_parse_from(["x", "--cgroup", "/none"]).expect("read");
    assert!(command.args.filter(&BTreeMap::new()).is_err(), "no such cgroup in the trace");
}
