//! `migtrace compare`: compares two sets of traces.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context, Result};
use migtrace::{
    compare::{
        Comparison,
        gate::Gate,
        measure::{Filtered, Measure},
    },
    model::Run,
    plot,
};

use super::{
    filter::{self, FilterArgs},
    load,
    streams::{plain_stdout, say},
};

/// Compare two sets of recordings: migration time in the syscalls and in later page faults
///
/// Each recording is measured by its placement syscalls that migrate or mark pages, and by later page faults on those
/// pages. These syscalls are mbind with a move flag, move_pages and migrate_pages. With five or more recordings per
/// side, each metric has a confidence interval for its median.
#[derive(clap::Args)]
#[command(after_help = format!("Examples:
  migtrace compare direct.parquet --vs lazy.parquet --plot timeline.svg
  migtrace compare direct-*.parquet --vs lazy-*.parquet --json
  migtrace compare before.parquet --vs after.parquet --gate 'ratio.total_ns <= 1.1'

Exit status: 0 success, 1 a gate failed, 2 a trace cannot be read.

{}", filter::EXAMPLES))]
pub(crate) struct Args {
    /// Traces of the first side
    #[arg(required = true, value_name = "A")]
    a: Vec<PathBuf>,
    /// Traces of the second side
    #[arg(long, required = true, num_args = 1.., value_name = "B")]
    vs: Vec<PathBuf>,
    /// Print all metrics as JSON; null if unknown
    #[arg(long)]
    json: bool,
    /// Draw a timeline of the first recording of each side; SVG or PNG, by file name extension
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Exit with status 1 unless this holds: [a.|b.|ratio.]METRIC OP NUMBER. Metrics are named as in --json; default side: b.
    /// May be repeated
    #[arg(long, value_name = "EXPR")]
    gate: Vec<Gate>,
    #[command(flatten)]
    filter: FilterArgs,
}

/// Exit status if a gate failed.
const EXIT_FINDING: u8 = 1;

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let paths: Vec<PathBuf> = args.a.iter().chain(&args.vs).cloned().collect();
    let names = load::names(&paths);
    let (mut measures, mut drawn) = (Vec::new(), Vec::new());
    for (i, (path, name)) in paths.iter().zip(&names).enumerate() {
        let (trace, filter) = load::open(path, &args.filter)?;
        let run = load::run(&trace, &filter)?;
        let mut measure = Measure::new(&run, name);
        if !filter.is_all() {
            measure.filtered = Some(Filtered { filter: filter.to_string(), of_events: trace.event_count() });
        }
        measures.push(measure);
        if args.plot.is_some() && (i == 0 || i == args.a.len()) {
            drawn.push((name.as_str(), run));
        }
    }
    let b = measures.split_off(args.a.len());
    let comparison = Comparison::new(measures, b);
    let mut out = plain_stdout()?;
    if args.json {
        serde_json::to_writer_pretty(&mut out, &comparison.json()).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", comparison.text())?;
    }
    out.flush()?;
    if let Some(path) = &args.plot {
        let runs: Vec<(&str, &Run)> = drawn.iter().map(|(name, run)| (*name, run)).collect();
        plot::timeline(&runs, path).with_context(|| format!("cannot write the plot {}", path.display()))?;
    }
    Ok(check(&args.gate, &comparison))
}

fn check(gates: &[Gate], comparison: &Comparison) -> ExitCode {
    let mut status = ExitCode::SUCCESS;
    for gate in gates {
        let (passed, found) = gate.check(comparison);
        say!("{found}");
        if !passed {
            status = ExitCode::from(EXIT_FINDING);
        }
    }
    status
}
