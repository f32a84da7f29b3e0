//! `migtrace summary`: the totals of a trace.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Result;
use migtrace::summary::{Summary, TOP_PROCESSES};

use super::{
    filter::{self, FilterArgs},
    load, streams,
};

/// Count what a trace holds: faults, migrations, wait time, processes, losses
///
/// Reads only the columns that it counts, with bounded memory. In a sampled recording, each event counts by its weight, so
/// counts are estimates.
#[derive(clap::Args)]
#[command(after_help = format!("Examples:
  migtrace summary run.parquet
  migtrace summary run.parquet --json | jq .moves

{}", filter::EXAMPLES))]
pub(crate) struct Args {
    /// Trace to read
    #[arg(value_name = "FILE", default_value = "run.parquet")]
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Number of processes to list
    #[arg(long, value_name = "N", default_value_t = TOP_PROCESSES)]
    top: usize,
    #[command(flatten)]
    filter: FilterArgs,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let (trace, filter) = load::open(&args.file, &args.filter)?;
    let summary = Summary::filtered(&trace, &filter)?;
    let name = args.file.display().to_string();
    let mut out = streams::stdout(anstream::ColorChoice::Auto)?;
    if args.json {
        serde_json::to_writer_pretty(&mut out, &summary.to_json(&name, args.top)).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        summary.write(&name, args.top, &mut out)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
