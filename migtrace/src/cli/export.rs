//! `migtrace export`: a trace as text for other programs.

use std::{
    fs::OpenOptions,
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use migtrace::{export, trace::Trace};

use super::load;

/// Write a trace as text for other programs
///
/// One row an event; columns and words are those of the trace (docs/trace-format.md). Programs that read Parquet need no
/// export. Control characters in names are escaped.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  migtrace export run.parquet --format jsonl | jq 'select(.kind == \"migrate\")'
  migtrace export run.parquet --format csv -o run.csv")]
pub(crate) struct Args {
    /// Trace to read
    file: PathBuf,
    /// What to write
    #[arg(short, long)]
    format: Format,
    /// Where to write it; standard output without. A new file is readable by its owner alone
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    /// A flat JSON object a line, columns that are null left out
    Jsonl,
    /// Comma-separated values with a header, all columns
    Csv,
}

/// Writes the export.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let trace = Trace::open(&args.file)?;
    load::warn(&trace, &args.file);
    let mut out = BufWriter::new(destination(args.output.as_deref())?);
    match args.format {
        Format::Jsonl => export::jsonl(&trace, &mut out)?,
        Format::Csv => export::csv(&trace, &mut out)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn destination(path: Option<&Path>) -> Result<Box<dyn Write>> {
    let Some(path) = path else { return Ok(Box::new(io::stdout().lock())) };
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    Ok(Box::new(file.with_context(|| format!("cannot write {}", path.display()))?))
}
