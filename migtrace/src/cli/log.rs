//! `migtrace log`: a trace as annotated text.

use std::{
    io::{self, BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
};

use anstream::AutoStream;
use anyhow::Result;
use migtrace::log::{self, Options};

use super::{
    color::When,
    filter::{self, FilterArgs},
    load,
};

/// Tell in words what happened in a trace: a line per event, a key, a summary
///
/// Events stand in the phases that the workload named, nested as they happened: what lies inside a system call or a page
/// fault is indented below it. Long runs of equal lines are folded, and page faults beside the point only counted. Of filters, those
/// for whole tasks (--pid, --comm, --cgroup) also limit the summary; all others only what is shown.
#[derive(clap::Args)]
#[command(after_help = format!("Examples:
  migtrace log run.parquet
  migtrace log run.parquet --color always | less -R
  migtrace log run.parquet --kind migrate --all

{}", filter::EXAMPLES))]
pub(crate) struct Args {
    /// Trace to read
    #[arg(value_name = "FILE", default_value = "run.parquet")]
    file: PathBuf,
    /// Show every event: fold nothing and leave nothing out
    #[arg(short, long)]
    all: bool,
    /// When to colour: auto does on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: When,
    #[command(flatten)]
    filter: FilterArgs,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let (trace, filter) = load::open(&args.file, &args.filter)?;
    // What an event means follows from what its task did around it, so all of that is read, and only what is shown is less.
    let run = load::run(&trace, &filter.of_tasks())?;
    let options = Options { all: args.all, filter, of_events: Some(trace.event_count()) };
    let mut out = BufWriter::new(AutoStream::new(io::stdout().lock(), args.color.into()));
    log::write(&run, &args.file.display().to_string(), &options, &mut out)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
