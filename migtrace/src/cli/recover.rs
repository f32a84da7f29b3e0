//! `migtrace recover`: makes a trace from a recording that was cut off.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use migtrace::{text, trace};

use super::streams::say;

/// Exit status: some segments were damaged.
const EXIT_LEFT_OUT: u8 = 1;

/// Make a trace from a recording that was cut off
///
/// While recording, migtrace writes a complete segment to FILE.partial at least once a second. After a crash or a full disk,
/// this command joins the segments into FILE and removes them. The trace is marked as cut off. Exit status: 0 all segments
/// recovered, 1 some segments were damaged and skipped, 2 nothing recovered.
#[derive(clap::Args)]
#[command(after_help = "Example:
  migtrace recover run.parquet")]
pub(crate) struct Args {
    /// Output file of the interrupted recording, or its .partial directory
    file: PathBuf,
    /// Trace to write [default: FILE]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
}

/// Recovers the trace.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let recovered = trace::recover(&args.file, args.output.as_deref())?;
    for error in &recovered.left_out {
        say!("segment skipped: {error}");
    }
    let events = text::count(recovered.events, "event");
    say!("{}: {events}, {} bytes", recovered.path.display(), recovered.bytes);
    let whole = recovered.left_out.is_empty();
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(EXIT_LEFT_OUT) })
}
