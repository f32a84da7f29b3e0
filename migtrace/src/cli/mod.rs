//! The command line: a file per subcommand, each with its clap struct and its run.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Shows page by page which memory of a NUMA machine lies on the wrong node, how the kernel moves it, and who waits
#[derive(Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {}

/// Exit status: bad usage or bad input.
pub(crate) const EXIT_USAGE: u8 = 2;
/// Exit status: the environment lacks something (EX_UNAVAILABLE of sysexits.h).
pub(crate) const EXIT_UNAVAILABLE: u8 = 69;

/// Parses the command line and runs it.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {}
}
