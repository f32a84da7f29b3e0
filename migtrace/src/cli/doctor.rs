//! `migtrace doctor`: reports what can be traced on this machine.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::{Context, Result};
use migtrace::doctor;

use super::{EXIT_UNAVAILABLE, streams};

/// Report what can be traced on this host, why not the rest, and what to do about it
///
/// If privileges allow, attaches every BPF program for a moment, without tracing any process. Exit status 69 if nothing
/// can be traced.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  sudo migtrace doctor
  migtrace doctor --json | jq '.views[] | select(.fidelity != \"exact\")'

Environment:
  MIGTRACE_AVOID=fentry,kprobe,tp_btf,tracepoint
      Do not attach BPF programs of these types, in any command; other attach methods are used if there are any")]
pub(crate) struct Args {
    /// Also show hooks that are attached
    #[arg(short, long)]
    all: bool,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let report = doctor::examine();
    let mut out = streams::stdout(anstream::ColorChoice::Auto)?;
    if args.json {
        serde_json::to_writer_pretty(&mut out, &report).map_err(io::Error::from).context("writing the report")?;
        writeln!(out)?;
    } else {
        doctor::write(&report, args.all, &mut out)?;
    }
    out.flush()?;
    Ok(if report.can_trace { ExitCode::SUCCESS } else { ExitCode::from(EXIT_UNAVAILABLE) })
}
