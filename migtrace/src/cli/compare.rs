//! `migtrace compare`: two sets of traces side by side.

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
};

/// Set two sets of runs side by side: what moving pages cost inside the requests, and in page faults afterwards
///
/// A run is measured by its requests to move pages (mbind with a move flag, move_pages, migrate_pages) and the page faults
/// on those pages after them. With five runs or more a side, numbers come with an interval for their median.
#[derive(clap::Args)]
#[command(after_help = format!("Examples:
  migtrace compare direct.parquet --vs lazy.parquet --plot timeline.svg
  migtrace compare direct-*.parquet --vs lazy-*.parquet --json
  migtrace compare before.parquet --vs after.parquet --gate 'ratio.total_ns <= 1.1'

Exit status: 0; 1 where a gate failed; 2 where a trace cannot be read.

{}", filter::EXAMPLES))]
pub(crate) struct Args {
    /// Traces of the first side
    #[arg(required = true, value_name = "A")]
    a: Vec<PathBuf>,
    /// Traces of the second side
    #[arg(long, required = true, num_args = 1.., value_name = "B")]
    vs: Vec<PathBuf>,
    /// Print the numbers as JSON, null where one is not known
    #[arg(long)]
    json: bool,
    /// Draw the first run of each side over time, as SVG or PNG by the file's ending
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Fail unless this holds: [a.|b.|ratio.]METRIC OP NUMBER, metrics named as in --json, of b if not said; may be repeated
    #[arg(long, value_name = "EXPR")]
    gate: Vec<Gate>,
    #[command(flatten)]
    filter: FilterArgs,
}

/// Exit status: a gate failed.
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
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &comparison.json()).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", comparison.text())?;
    }
    if let Some(path) = &args.plot {
        let runs: Vec<(&str, &Run)> = drawn.iter().map(|(name, run)| (*name, run)).collect();
        plot::timeline(&runs, path).with_context(|| format!("plot {}", path.display()))?;
    }
    Ok(check(&args.gate, &comparison))
}

fn check(gates: &[Gate], comparison: &Comparison) -> ExitCode {
    let mut status = ExitCode::SUCCESS;
    for gate in gates {
        let (passed, found) = gate.check(comparison);
        eprintln!("migtrace: {found}");
        if !passed {
            status = ExitCode::from(EXIT_FINDING);
        }
    }
    status
}
