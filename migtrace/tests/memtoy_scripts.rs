//! memtoy scripts that run on any machine: they use node 0 only.

use std::{fs, io::Write, path::PathBuf, process::Stdio};

use assert_cmd::Command;
use predicates::prelude::*;

fn memtoy() -> Command {
    let mut command = Command::cargo_bin("migtrace").expect("the program");
    command.arg("memtoy");
    command
}

fn script(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("test.memtoy");
    fs::write(&path, text).expect("written");
    (dir, path)
}

/// Runs `text` as a script and returns what it prints; it must succeed.
fn output(text: &str) -> String {
    let (_dir, path) = script(text);
    let assert = memtoy().arg(path).assert().success().stderr("");
    String::from_utf8(assert.get_output().stdout.clone()).expect("text")
}

#[test]
fn a_segment_is_mapped_touched_and_verified() {
    let text =
        "# comment\nanon seg 8p\n\nmap seg\nwhere seg\ntouch seg 2p 3p w\nwhere seg\nverify seg\nremove seg\nshow\n";
    let printed = output(text);
    let absent = "page offset     +00    +01    +02    +03    +04    +05    +06    +07\n         \
                  0:  absent absent absent absent absent absent absent absent\n8 pages: absent: 8\n";
    assert!(printed.starts_with(absent), "{printed}");
    let touched =
        "         0:  absent absent      0      0      0 absent absent absent\n8 pages: node 0: 3, absent: 5\n";
    assert!(printed.contains(touched), "{printed}");
    assert!(predicate::str::is_match(r"memtoy:  touched 3 pages in 0\.\d{6} secs").expect("a regex").eval(&printed));
    assert!(printed.contains("memtoy:  verified 8 pages in "), "{printed}");
}

#[test]
fn where_does_not_touch_pages() {
    let printed = output("anon seg 600p\nmap seg\nwhere seg 0 600p\nwhere seg\n");
    assert_eq!(printed.matches("600 pages: absent: 600").count(), 2, "{printed}");
    assert!(printed.contains("    ... and 536 pages more\n"), "{printed}");
}

#[test]
fn getpol_touches_the_queried_page() {
    let printed = output("anon seg 4p shared\nmap seg\ngetpol seg 3p\nwhere seg\n");
    assert!(printed.starts_with("memtoy:  seg page 3 is on node 0\n"), "{printed}");
    assert!(
        printed.ends_with("         0:  absent absent absent      0\n4 pages: node 0: 1, absent: 3\n"),
        "{printed}"
    );
}

#[test]
fn a_range_beyond_its_segment_is_clipped_or_refused() {
    let printed = output("anon seg 8p\nmap seg\ntouch seg 6p 4p\n");
    assert!(
        printed.starts_with("memtoy:  clipped to the end of seg, 0x8000\nmemtoy:  touched 2 pages in "),
        "{printed}"
    );
    let (_dir, path) = script("anon seg 8p\nmap seg\ntouch seg 8p\n");
    memtoy()
        .arg(path)
        .assert()
        .code(2)
        .stderr(predicate::str::ends_with("test.memtoy:3: 8p is beyond the end of seg, 8 pages\n"));
}

#[test]
fn contents_survive_policy_changes_and_migration() {
    let text = "anon a 64p shared\nanon b 2m huge\nmap a\nmap b\ntouch a w\ntouch b w\nmbind a bind+move 0\n\
                mbind b interleaved+move *\nmigrate 0\ntouch a 3p 9p w\nverify a\nverify b\nshow\nnuma\nmpol pref 0\nmpol\n";
    let printed = output(text);
    assert!(printed.contains("memtoy:  migration of a [64 pages] took "), "{printed}");
    assert!(printed.contains(" 64 pages rw- shared  a\n"), "{printed}");
    assert!(printed.ends_with("memtoy:  task policy is preferred 0\n"), "{printed}");
}

#[test]
fn move_pin_loop_madvise_and_cpu_work_on_a_segment() {
    let text = "anon seg 8p\nmap seg\ntouch seg w\nmove seg 2p 3p to 0\npin seg 1p 2p\nloop 1 seg 0 3p w\nunpin seg\n\
                madvise seg nohuge\ncpu 0\ncpu\nverify seg\n";
    let printed = output(text);
    assert!(printed.contains("memtoy:  move of seg [3 pages] took 0."), "{printed}");
    assert!(printed.contains(" secs. 0 pages not migrated\n"), "{printed}");
    assert!(
        predicate::str::is_match(r"touched 3 pages \d+ times? in 0\.").expect("a regex").eval(&printed),
        "{printed}"
    );
    assert!(printed.contains("memtoy:  on CPU 0 of node 0; may run on 0\n"), "{printed}");
    // move_pages(2) on an absent page succeeds, and returns the error in the status of that page.
    let absent = output("anon seg 2p\nmap seg\ntouch seg 1p w\nmove seg to 0\n");
    assert!(absent.contains(" secs. 1 page not migrated\n"), "{absent}");
    let (_dir, path) = script("cpu 1023\n");
    memtoy()
        .arg(path)
        .assert()
        .code(1)
        .stderr(predicate::str::ends_with(":1: sched_setaffinity: EINVAL (Invalid argument)\n"));
}

#[test]
fn an_invalid_script_runs_no_command() {
    let (_dir, path) = script("pid\nanon seg 8p\nmbind seg preffered 1\n");
    let message = "test.memtoy:3: \"preffered\" is no policy: ";
    memtoy().arg(path).assert().code(2).stdout("").stderr(predicate::str::contains(message));
}

#[test]
fn a_failed_system_call_ends_the_script_and_names_its_line() {
    let (_dir, path) = script("anon seg 8p\nmap seg\n\nmbind seg bind 1023\npid\n");
    let message = "test.memtoy:4: mbind: EINVAL (Invalid argument)\n";
    memtoy().arg(path).assert().code(1).stdout("").stderr(predicate::str::ends_with(message));
}

#[test]
fn a_line_that_is_expected_to_fail_must_fail() {
    let printed = output("anon seg 8p\nmap seg\n!mbind seg bind 1023\n");
    assert_eq!(printed, "memtoy:  mbind failed as expected: EINVAL (Invalid argument)\n");
    let (_dir, path) = script("anon seg 8p\nmap seg\n!touch seg\n");
    let message = "test.memtoy:3: expected touch seg read to fail, but it succeeded\n";
    memtoy().arg(path).assert().code(1).stderr(predicate::str::ends_with(message));
    // Only system calls can be expected to fail: a missing segment is a wrong script.
    let (_dir, path) = script("!touch seg\n");
    memtoy().arg(path).assert().code(2);
}

#[test]
fn a_script_is_read_from_standard_input() {
    for arguments in [vec![], vec!["-"]] {
        memtoy()
            .args(arguments)
            .write_stdin("pid\nexit\npid\n")
            .assert()
            .success()
            .stdout(predicate::str::contains("pid = ").count(1));
    }
    memtoy()
        .write_stdin("frobnicate\n")
        .assert()
        .code(2)
        .stderr("migtrace: stdin:1: unknown command \"frobnicate\"; `help` lists them\n");
    memtoy()
        .arg("/nonexistent/x")
        .assert()
        .code(2)
        .stderr(predicate::str::contains("cannot read the script /nonexistent/x"));
}

#[test]
fn a_closed_pipe_is_no_error() {
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("migtrace"))
        .arg("memtoy")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    drop(child.stdout.take());
    child.stdin.take().expect("a pipe").write_all(b"help\n").expect("written");
    let output = child.wait_with_output().expect("ended");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn help_lists_commands_and_their_usage() {
    let printed = output("help\n");
    for name in
        ["anon", "map", "unmap", "remove", "touch", "verify", "mbind", "where", "getpol", "show", "numa", "migrate"]
    {
        assert!(printed.lines().any(|l| l.starts_with(name)), "{name}");
    }
    assert!(output("help mb\n").starts_with("mbind <seg> [<offset> [<length>]] <policy>[+move]"));
}
