//! The command line: one file per subcommand, with its clap struct and its `run`. This file dispatches, and turns an error
//! into one message and an exit status.

mod census;
mod color;
mod compare;
mod completions;
mod convert;
mod doctor;
mod dump_server;
mod export;
mod filter;
mod follow;
mod load;
mod log;
mod log_live;
mod map;
mod map_output;
mod map_progress;
mod map_trace;
mod memtoy;
mod output;
mod page;
mod progress;
mod record;
mod record_messages;
mod recording;
mod recover;
mod serve;
mod stop;
mod streams;
mod summary;
mod top;
mod top_live;
mod top_record;
mod web;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{CommandFactory, Parser, Subcommand};
use migtrace::{
    live::{session::SessionError, workload::NotStarted},
    map::ReadError,
    serve::http::ListenError,
};
use streams::say;

/// See which pages are on the wrong NUMA node, why the kernel migrates them or does not, and which threads wait
#[derive(Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
struct Cli {
    /// Print more on stderr, including messages of the BPF programs
    #[arg(short, long, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Compare(compare::Args),
    Completions(completions::Args),
    Convert(convert::Args),
    Doctor(doctor::Args),
    Export(export::Args),
    Log(log::Args),
    Map(map::Args),
    Memtoy(memtoy::Args),
    Page(page::Args),
    Record(Box<record::Args>),
    Recover(recover::Args),
    Serve(serve::Args),
    Summary(summary::Args),
    Top(top::Args),
}

/// Exit status for a partial failure.
pub(crate) const EXIT_PARTIAL: u8 = 1;
/// Exit status for wrong usage or bad input.
pub(crate) const EXIT_USAGE: u8 = 2;
/// Exit status if the machine lacks something (EX_UNAVAILABLE in sysexits.h).
pub(crate) const EXIT_UNAVAILABLE: u8 = 69;

/// Parses the command line and runs it.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => error.exit(),
        Err(help) => return ended(print_help(&help)),
    };
    start_log(cli.verbose);
    let result = match cli.command {
        Command::Compare(args) => compare::run(&args),
        Command::Completions(args) => completions::run(&args, Cli::command()),
        Command::Convert(args) => convert::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Log(args) => log::run(&args, cli.verbose),
        Command::Map(args) => map::run(&args),
        Command::Memtoy(args) => memtoy::run(&args),
        Command::Page(args) => page::run(&args),
        Command::Record(args) => record::run(&args, cli.verbose),
        Command::Recover(args) => recover::run(&args),
        Command::Serve(args) => serve::run(&args, cli.verbose),
        Command::Summary(args) => summary::run(&args),
        Command::Top(args) => top::run(&args),
    };
    ended(result)
}

/// Prints the help or the version. clap's own way would ignore that it could not be written.
fn print_help(help: &clap::Error) -> anyhow::Result<ExitCode> {
    let mut out = streams::stdout(anstream::ColorChoice::Auto)?;
    write!(out, "{}", help.render().ansi())?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// The exit status, after a message if it is an error's.
fn ended(result: anyhow::Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        let status = exit_status(&error);
        if status != 0 {
            say!("{error:#}");
        }
        ExitCode::from(status)
    })
}

fn start_log(verbose: bool) {
    let level = if verbose { "migtrace=debug" } else { "warn" };
    env_logger::Builder::from_env(env_logger::Env::new().filter_or("MIGTRACE_LOG", level)).format_target(false).init();
}

/// A closed pipe is no error. A machine that lacks something has another status than wrong input.
fn exit_status(error: &anyhow::Error) -> u8 {
    let broken_pipe = |e: &(dyn std::error::Error + 'static)| {
        e.downcast_ref::<io::Error>().map(io::Error::kind) == Some(io::ErrorKind::BrokenPipe)
    };
    if error.chain().any(broken_pipe) {
        return 0;
    }
    if let Some(not_started) = error.downcast_ref::<NotStarted>() {
        return not_started.status;
    }
    if error.chain().any(|e| e.is::<SessionError>() || e.is::<ListenError>()) {
        return EXIT_UNAVAILABLE;
    }
    match error.downcast_ref::<ReadError>() {
        Some(ReadError::Gone(_)) => return EXIT_PARTIAL,
        Some(ReadError::Denied(_) | ReadError::NoPagemap) => return EXIT_UNAVAILABLE,
        _ => {}
    }
    EXIT_USAGE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
