//! `migtrace top` where there is no terminal, and its configuration file.

use std::process::{Command, Output};

use assert_cmd::cargo::CommandCargoExt;

fn top(arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("migtrace").expect("built");
    command.arg("top").args(arguments).output().expect("runs")
}

#[test]
fn without_a_terminal_it_says_what_to_use() {
    let output = top(&["run.parquet"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("needs a terminal") && said.contains("export"), "{said}");
    assert!(output.stdout.is_empty());
}

#[test]
fn help_has_examples_and_all_filters() {
    let output = top(&["--help"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    for said in ["sudo migtrace top --pid 4711", "--filter", "--theme", "--no-mouse", "space plays it"] {
        assert!(text.contains(said), "{said}: {text}");
    }
}
