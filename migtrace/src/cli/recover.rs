//! `migtrace recover`: a trace of a recording that did not end.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use migtrace::{text, trace};

/// Exit status: something could not be recovered.
const EXIT_LEFT_OUT: u8 = 1;

/// Make a trace of a recording that did not end
///
/// While it records, migtrace keeps complete segments in FILE.partial, at most a second old. After a crash or a full disk
/// this joins them into FILE and removes them. The trace says of itself that it was cut off. Exit status: 0 fine, 1 some
/// segments were damaged and left out, 2 nothing was recovered.
#[derive(clap::Args)]
#[command(after_help = "Example:
  migtrace recover run.parquet")]
pub(crate) struct Args {
    /// The trace that the recording was to be, or its .partial directory
    file: PathBuf,
    /// Where to write the trace; FILE without
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
}

/// Recovers the trace.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let recovered = trace::recover(&args.file, args.output.as_deref())?;
    for error in &recovered.left_out {
        eprintln!("migtrace: left out: {error}");
    }
    let events = text::count(recovered.events, "event");
    eprintln!("migtrace: {}: {events}, {} bytes", recovered.path.display(), recovered.bytes);
    let whole = recovered.left_out.is_empty();
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(EXIT_LEFT_OUT) })
}
