//! `migtrace log`: a trace, or the running kernel, as annotated text.

use std::{
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anstream::AutoStream;
use anyhow::Result;
use clap::ValueEnum;
use migtrace::log::{self, Options};

use super::{
    color::When,
    filter::{self, FilterArgs},
    follow, load,
};

/// Tell in words what happens: a line per event, a key, a summary. Of a trace, or without FILE of the running kernel
///
/// Events stand in the phases that the workload named, nested as they happened: what lies inside a system call or a page
/// fault is indented below it. Long runs of equal lines are folded, and page faults beside the point only counted. Of
/// filters, those for whole tasks (--pid, --comm, --cgroup) also limit the summary; all others only what is shown.
///
/// Without FILE it follows the running kernel until Ctrl-C, and then tells key and summary. A line comes 250 ms after its
/// event's end; what can only have happened inside a system call or a fault waits for that, at most 10 s. This needs the
/// same rights as record.
#[derive(clap::Args)]
#[command(after_help = format!("Examples:
  migtrace log run.parquet
  migtrace log run.parquet --color always | less -R
  migtrace log run.parquet --kind migrate --all
  migtrace log run.parquet --format tsv | cut -f 5,11,12,23
  migtrace log --pid 4711

{}", filter::EXAMPLES))]
pub(crate) struct Args {
    /// Trace to read; without, the running kernel
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Show every event: fold nothing and leave nothing out
    #[arg(short, long)]
    all: bool,
    /// Text for people, or lines for programs: every event, tabs between its columns (docs/log.md)
    #[arg(short, long, default_value = "text")]
    format: Format,
    /// When to colour: auto does on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: When,
    #[command(flatten)]
    filter: FilterArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Tsv,
}

pub(crate) fn run(args: &Args, verbose: bool) -> Result<ExitCode> {
    let options = Options { all: args.all, tsv: args.format == Format::Tsv, ..Options::default() };
    let mut out = BufWriter::new(AutoStream::new(io::stdout().lock(), args.color.into()));
    match &args.file {
        Some(file) => of_file(file, args, options, &mut out)?,
        None => follow::run(&args.filter, options, verbose, &mut out)?,
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn of_file(file: &Path, args: &Args, options: Options, out: &mut dyn Write) -> Result<()> {
    let (trace, filter) = load::open(file, &args.filter)?;
    // What an event means follows from what its task did around it, so all of that is read, and only what is shown is less.
    let run = load::run(&trace, &filter.of_tasks())?;
    let options = Options { filter, of_events: Some(trace.event_count()), ..options };
    Ok(log::write(&run, &file.display().to_string(), &options, out)?)
}
