//! `migtrace top` without a terminal: its error message and its help.

use std::process::{Command, Output};

use assert_cmd::cargo::CommandCargoExt;

fn top(arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("migtrace").expect("built");
    command.arg("top").args(arguments).output().expect("runs")
}

#[test]
fn without_a_terminal_the_error_suggests_export() {
    let output = top(&["run.parquet"]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("needs a terminal") && error.contains("--batch") && error.contains("export"), "{error}");
    assert!(output.stdout.is_empty());
}

#[test]
fn help_has_examples_and_all_filters() {
    let output = top(&["--help"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    for expected in
        ["sudo migtrace top --pid 4711", "--batch -n 3 -d 10", "--filter", "--theme", "--no-mouse", "space plays it"]
    {
        assert!(text.contains(expected), "no {expected:?} in {text}");
    }
}
