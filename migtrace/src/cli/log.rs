//! `migtrace log`: a trace as annotated text.

use std::{
    io::{self, BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
};

use anstream::{AutoStream, ColorChoice};
use anyhow::Result;
use clap::ValueEnum;
use migtrace::log::{self, Options};

use super::load;

/// Tell in words what happened in a trace: a line per event, a key, a summary
///
/// Events stand in the phases that the workload named, nested as they happened: what lies inside a system call or a page
/// fault is indented below it. Long runs of equal lines are folded, and page faults beside the point only counted.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  migtrace log run.parquet
  migtrace log run.parquet --color always | less -R
  migtrace log run.parquet --kind migrate --all")]
pub(crate) struct Args {
    /// Trace to read
    #[arg(value_name = "FILE", default_value = "run.parquet")]
    file: PathBuf,
    /// Show every event: fold nothing and leave nothing out
    #[arg(short, long)]
    all: bool,
    /// Show only events of this kind; may be repeated. The summary is of all
    #[arg(short, long, value_name = "KIND", value_parser = KINDS)]
    kind: Vec<String>,
    /// Read only events of this process; may be repeated
    #[arg(short, long, value_name = "PID")]
    pid: Vec<u32>,
    /// When to colour: auto does on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: When,
}

const KINDS: [&str; 10] = ["fault", "check", "mark", "migrate", "batch", "request", "task", "region", "phase", "loss"];

#[derive(Clone, Copy, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

impl From<When> for ColorChoice {
    fn from(when: When) -> Self {
        match when {
            When::Auto => Self::Auto,
            When::Always => Self::AlwaysAnsi,
            When::Never => Self::Never,
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let run = load::run(&args.file, &args.pid)?;
    let options = Options { all: args.all, kinds: args.kind.clone() };
    let mut out = BufWriter::new(AutoStream::new(io::stdout().lock(), args.color.into()));
    log::write(&run, &args.file.display().to_string(), &options, &mut out)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
