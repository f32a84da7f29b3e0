//! The program: reads the command line, runs one subcommand, turns its error into one message and an exit status.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
