//! `migtrace export`: writes a trace as text for other programs.

use std::{
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use migtrace::{
    export::{self, Counts},
    output_file,
};

use super::{
    filter::{self, FilterArgs},
    load,
    streams::{plain_stdout, say},
};

/// Write a trace as text for other programs
///
/// One row per event, with the columns and values of the trace (docs/trace-format.md). Programs that read Parquet need no
/// export. Control characters in names are escaped.
#[derive(clap::Args)]
#[command(after_help = format!("Examples:
  migtrace export run.parquet --format jsonl | jq 'select(.kind == \"migrate\")'
  migtrace export run.parquet --format csv -o run.csv

{}", filter::EXAMPLES))]
pub(crate) struct Args {
    /// Trace to read
    file: PathBuf,
    /// Output format
    #[arg(short, long)]
    format: Format,
    /// File to write, readable only by its owner if new [default: standard output]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    #[command(flatten)]
    filter: FilterArgs,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    /// One flat JSON object per line, without null columns
    Jsonl,
    /// Comma-separated values with a header and all columns
    Csv,
}

/// Writes the export.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let (trace, filter) = load::open(&args.file, &args.filter)?;
    let mut out = BufWriter::new(destination(args.output.as_deref())?);
    let Counts { written, read } = match args.format {
        Format::Jsonl => export::jsonl(&trace, &filter, &mut out)?,
        Format::Csv => export::csv(&trace, &filter, &mut out)?,
    };
    if !filter.is_all() {
        say!("filter: {filter}; {written} of {read} events written");
    }
    Ok(ExitCode::SUCCESS)
}

fn destination(path: Option<&Path>) -> Result<Box<dyn Write>> {
    // As for most commands, `-` is standard output.
    let Some(path) = path.filter(|path| *path != Path::new("-")) else { return Ok(Box::new(plain_stdout()?)) };
    Ok(Box::new(output_file::create(path).with_context(|| format!("cannot write {}", path.display()))?))
}
