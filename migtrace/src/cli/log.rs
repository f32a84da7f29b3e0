//! `migtrace log`: a trace or the running kernel as annotated text.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use clap::ValueEnum;
use migtrace::log::{self, Options};

use super::{
    color::When,
    filter::{self, FilterArgs},
    follow::{self, TreeArgs},
    load, log_live,
    stop::EndArgs,
    streams,
};

/// Explain events in words: a line per event, a legend, a summary. Reads a trace, or without FILE the running kernel
///
/// Events are grouped by the workload's phases and nested: events inside a syscall or a page fault are indented below it.
/// Long runs of equal lines are folded. Page faults without a migration, outside all requested ranges, are only counted.
/// Filters for whole tasks (--pid, --comm, --cgroup) also limit the summary; other filters limit only what is shown.
///
/// Without FILE, the log follows the running kernel until Ctrl-C, then prints legend and summary. With --pid it also ends
/// when these processes have exited. A line appears 250 ms after its event ended. Events nested in a syscall or a page
/// fault appear when it ends, or after 10 s. The live log needs the same privileges as record.
#[derive(clap::Args)]
#[command(after_help = format!("Examples:
  migtrace log run.parquet
  migtrace log run.parquet --color always | less -R
  migtrace log run.parquet --kind migrate --all
  migtrace log run.parquet --format tsv | cut -f 5,11,12,23
  migtrace log --pid 4711 --duration 10s

{}", filter::EXAMPLES))]
pub(crate) struct Args {
    /// Trace to read; default: the running kernel
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Show every event: fold no lines, hide no page faults
    #[arg(short, long)]
    all: bool,
    /// text, or tsv for programs: every event, with columns separated by tabs (docs/log.md)
    #[arg(short, long, default_value = "text")]
    format: Format,
    /// When to colour the output. auto: on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: When,
    #[command(flatten)]
    pub(super) end: EndArgs,
    #[command(flatten)]
    pub(super) filter: FilterArgs,
    #[command(flatten)]
    pub(super) tree: TreeArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Tsv,
}

pub(crate) fn run(args: &Args, verbose: bool) -> Result<ExitCode> {
    let options = Options { all: args.all, tsv: args.format == Format::Tsv, ..Options::default() };
    let mut out = streams::stdout(args.color.into())?;
    match &args.file {
        Some(file) => {
            follow::check_recorded(args.tree, args.end)?;
            of_file(file, args, options, &mut out)?;
        }
        None => log_live::run(args, options, verbose, &mut out)?,
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn of_file(file: &Path, args: &Args, options: Options, out: &mut dyn Write) -> Result<()> {
    let (trace, filter) = load::open(file, &args.filter)?;
    // An event is explained by the other events of its task, so these are all read. The other filters limit what is shown.
    let run = load::run(&trace, &filter.of_tasks())?;
    let options = Options { filter, of_events: Some(trace.event_count()), ..options };
    Ok(log::write(&run, &file.display().to_string(), &options, out)?)
}
