//! `migtrace page`: the biography of one page.

use std::{
    io::{self, BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
};

use anstream::AutoStream;
use anyhow::{Result, bail};
use migtrace::{
    event::{Body, Event},
    log::page_report,
    model::{
        address::page_start,
        page_history::{steps::ProcessId, tracker::PageTracker},
    },
    text::ansi,
    trace::Trace,
};

use super::{color::When, load};

/// Tell the life of one page: where it was, what it cost, and why it moved or did not
///
/// All that the trace has of the page at an address: faults, checks against policy, marks, moves, and the requests that
/// named it, in order. Events that name only a page frame are joined where the frame leaves no doubt, and say so.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  migtrace page run.parquet 0x7f12a4003000
  migtrace page run.parquet 139717264195584 --pid 4711
  migtrace log run.parquet --kind migrate     (addresses of pages that moved)

Exit status: 0 fine, 2 where the trace has no such page, or several processes have one and --pid does not say which.")]
pub(crate) struct Args {
    /// Trace to read
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Any address in the page, hexadecimal with 0x, or decimal
    #[arg(value_name = "ADDR", value_parser = address)]
    addr: u64,
    /// Process whose page it is, where several have that address
    #[arg(short, long, value_name = "PID")]
    pid: Option<u32>,
    /// When to colour: auto does on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: When,
}

fn address(text: &str) -> Result<u64, String> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let addr = hex.map_or_else(|| text.parse(), |hex| u64::from_str_radix(hex, 16));
    addr.map_err(|_| "an address is hexadecimal with 0x, or decimal".to_owned())
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let trace = Trace::open(&args.file)?;
    load::warn(&trace, &args.file);
    let mut lives = PageTracker::only(args.addr);
    let mut near = Near { addr: args.addr, ..Near::default() };
    for event in trace.events() {
        let event = event?;
        lives.take(&event);
        near.see(&event);
    }
    let name = args.file.display().to_string();
    let processes = chosen(args, &lives, &name, &near)?;
    let mut out = BufWriter::new(AutoStream::new(io::stdout().lock(), args.color.into()));
    for (n, process) in processes.into_iter().enumerate() {
        if n > 0 {
            writeln!(out, "\n")?;
        }
        if let Some(page) = lives.page(process, args.addr) {
            ansi::write_all(&page_report::lines(&page, &lives.left_out(), trace.meta(), &name), &mut out)?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// The process whose page is meant; several only where its number was used again.
fn chosen(args: &Args, lives: &PageTracker, name: &str, near: &Near) -> Result<Vec<ProcessId>> {
    let all: Vec<ProcessId> =
        lives.processes(args.addr).into_iter().filter(|p| lives.page(*p, args.addr).is_some()).collect();
    let mut pids: Vec<u32> = all.iter().map(|p| p.pid).collect();
    pids.dedup();
    let called = |p: &ProcessId| lives.comm(*p).map_or_else(|| p.pid.to_string(), |comm| format!("{} ({comm})", p.pid));
    let mut names: Vec<String> = all.iter().map(called).collect();
    names.dedup();
    match args.pid {
        Some(pid) if pids.contains(&pid) => Ok(all.into_iter().filter(|p| p.pid == pid).collect()),
        Some(pid) if !all.is_empty() => {
            bail!("{name}: process {pid} has no page at {:#x}; these have: {}", args.addr, names.join(", "))
        }
        None if pids.len() == 1 => Ok(all),
        None if pids.len() > 1 => bail!(
            "{name}: {} processes have a page at {:#x}: choose one by --pid: {}",
            pids.len(),
            args.addr,
            names.join(", ")
        ),
        _ => bail!("{name}: no event of this trace is about the page at {:#x}{near}", args.addr),
    }
}

/// The pages of the trace that are nearest to an address: one that is not there is often a slip.
#[derive(Default)]
struct Near {
    addr: u64,
    below: Option<u64>,
    above: Option<u64>,
}

impl Near {
    fn see(&mut self, event: &Event) {
        let has_page = matches!(event.body, Body::Fault(_) | Body::Check(_) | Body::Mark(_) | Body::Migrate(_));
        let Some(addr) = event.addr().filter(|_| has_page).map(page_start) else { return };
        if addr <= self.addr {
            self.below = self.below.max(Some(addr));
        } else {
            self.above = Some(self.above.map_or(addr, |above| above.min(addr)));
        }
    }
}

impl std::fmt::Display for Near {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let near: Vec<String> = [self.below, self.above].into_iter().flatten().map(|a| format!("{a:#x}")).collect();
        if near.is_empty() { Ok(()) } else { write!(f, "; the nearest that it has: {}", near.join(" and ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_hexadecimal_or_decimal() {
        assert_eq!(address("0x7f12a4003000"), Ok(0x7f12_a400_3000));
        assert_eq!(address("4096"), Ok(4096));
        assert!(address("7f12a4003000").is_err() && address("").is_err() && address("0x").is_err());
    }
}
