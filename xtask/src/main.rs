//! `cargo xtask`: the project's own tasks, from setting up a fresh machine to tests in a four-node virtual machine.

mod bench;
mod cargo;
mod demo;
mod download;
mod ebpf;
mod kernel;
mod lint;
mod paths;
mod pypi;
mod release;
mod setup;
mod test;
mod toolchain;
mod vm;
mod words;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask_common::{exit, progress};

use crate::paths::Paths;

/// Build, test and measure migtrace
///
/// On Debian and Ubuntu, every task installs missing requirements; elsewhere it lists them. Exit status 0: success. 1:
/// a finding (a failed test or check; with `bench --gate`, a missed limit). 2: wrong use. 69: a missing requirement or
/// a broken virtual machine. `vm` returns its command's status.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", disable_help_subcommand = true)]
#[command(after_help = "Examples:
  cargo xtask setup                        install all requirements
  cargo xtask test --host                  run the tests that need no virtual machine
  cargo xtask test NAME --vm               run the tests whose name contains NAME in the virtual machines
  cargo xtask vm -- migtrace doctor        run one command in the test machine
  cargo xtask demo                         record and compare direct and lazy migration")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    Demo(demo::Options),
    Test(test::Options),
    Lint(lint::Options),
    Words(words::Options),
    Bench(bench::Options),
    Setup(setup::Options),
    Ebpf(ebpf::Options),
    Kernel(kernel::Options),
    Vm(vm::Options),
    Release(release::Options),
}

fn main() -> ExitCode {
    progress::start();
    let cli = Cli::parse();
    ExitCode::from(run(cli.task).unwrap_or_else(|error| {
        progress::say(format!("error: {error:#}"));
        exit::status(&error)
    }))
}

fn run(task: Task) -> Result<u8> {
    let paths = Paths::find()?;
    match task {
        Task::Demo(options) => options.run(&paths),
        Task::Test(options) => options.run(&paths),
        Task::Lint(options) => options.run(&paths),
        Task::Words(options) => options.run(&paths),
        Task::Bench(options) => options.run(&paths),
        Task::Setup(options) => options.run(&paths, &kernel::debian_sources(&paths)?, lint::install),
        Task::Ebpf(options) => options.run(&paths),
        Task::Kernel(options) => options.run(&paths),
        Task::Vm(options) => options.run(&paths),
        Task::Release(options) => options.run(&paths),
    }
}
