//! `migtrace convert`: writes a trace in this version of the format.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Result, ensure};
use migtrace::{
    text,
    trace::{self, FORMAT_VERSION},
};

use super::streams::say;

/// Write a trace of an older format in the format of this version
///
/// All versions of migtrace read older traces, so only other programs need this: up to format 4, traces have unsigned columns,
/// which Iceberg, Delta Lake and Spark do not read as such. It also reads traces that another program rewrote. Events, their
/// order and the metadata stay the same.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  migtrace convert old.parquet new.parquet
  for f in run*.parquet; do migtrace convert \"$f\" \"converted/$f\"; done")]
pub(crate) struct Args {
    /// Trace to read
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Trace to write, readable only by its owner. An existing file is replaced when the new one is complete
    #[arg(value_name = "OUT")]
    output: PathBuf,
}

/// Converts the trace.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let Args { input, output } = args;
    ensure!(output != Path::new("-"), "cannot write a trace to standard output: its parts are not written in order");
    let converted = trace::convert(input, output)?;
    let events = text::count(converted.events, "event");
    let (from, bytes) = (converted.from_version, converted.bytes);
    say!("{}: {events}, {bytes} bytes, format {from} to {FORMAT_VERSION}", output.display());
    Ok(ExitCode::SUCCESS)
}
