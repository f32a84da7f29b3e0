//! `migtrace page`: the history of one page.

use std::{collections::HashMap, io::Write, path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};
use migtrace::{
    event::{Body, Event, Probe, ProcessId},
    log::page_report,
    model::{address::page_start, page_history::tracker::PageTracker},
    text::ansi,
    trace::Trace,
};

use super::{color::When, load, streams};

/// Show the history of one page: its nodes, its cost, and why it did or did not migrate
///
/// Lists all events of the page at an address in order: page faults, policy checks, marks, migrations, changes of place, and
/// placement syscalls on its range. An event with a page frame and no address is included if the frame certainly belongs to this
/// page; it is marked "by frame".
#[derive(clap::Args)]
#[command(after_help = "Examples:
  migtrace page run.parquet 0x7f12a4003000
  migtrace page run.parquet 139717264195584 --pid 4711
  migtrace log run.parquet --kind migrate     (addresses of migrated pages)

Exit status: 0 ok; 2 if the trace has no such page, or if several processes have one and --pid is missing.")]
pub(crate) struct Args {
    /// Trace to read
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Any address in the page: decimal, or hexadecimal with 0x
    #[arg(value_name = "ADDR", value_parser = address)]
    addr: u64,
    /// Process of the page, if several have this address
    #[arg(short, long, value_name = "PID")]
    pid: Option<u32>,
    /// When to colour the output. auto: on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: When,
}

fn address(text: &str) -> Result<u64, String> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let addr = hex.map_or_else(|| text.parse(), |hex| u64::from_str_radix(hex, 16));
    addr.map_err(|_| "expected an address: decimal, or hexadecimal with 0x".to_owned())
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let trace = Trace::open(&args.file)?;
    load::warn(&trace, &args.file);
    let mut tracker = PageTracker::only_with(args.addr, earlier_addresses(&trace, args.addr)?);
    let mut near = Near { addr: args.addr, ..Near::default() };
    for event in trace.events() {
        let event = event?;
        tracker.take(&event);
        near.see(&event);
    }
    let name = args.file.display().to_string();
    let processes = chosen(args, &tracker, &name, &near)?;
    let mut out = streams::stdout(args.color.into())?;
    for (n, process) in processes.into_iter().enumerate() {
        if n > 0 {
            writeln!(out, "\n")?;
        }
        if let Some(page) = tracker.page(process, args.addr) {
            ansi::write_all(&page_report::lines(&page, &tracker.gaps(), trace.meta(), &name), &mut out)?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// The addresses that the page had before mremap(2) moved it to `addr`, each with the time until which it had it.
fn earlier_addresses(trace: &Trace, addr: u64) -> Result<Vec<(u64, u64)>> {
    // Reads the whole trace once more, so only if it can have such events.
    if !trace.meta().coverage(Probe::Place, None).is_available() {
        return Ok(Vec::new());
    }
    let mut moves = Vec::new();
    for event in trace.events() {
        let event = event?;
        if let Body::Place(place) = &event.body
            && let (Some(from), Some(owner)) = (place.from_addr, event.owner())
        {
            moves.push((owner.process, event.ts_ns, place.addr..place.addr.saturating_add(place.len), from));
        }
    }
    // Each process can have another page at this address.
    let (mut earlier, mut wanted) = (Vec::new(), HashMap::new());
    for (process, ts_ns, to, from) in moves.into_iter().rev() {
        let wanted = wanted.entry(process).or_insert(page_start(addr));
        if to.contains(wanted) {
            *wanted = from + (*wanted - to.start);
            earlier.push((ts_ns, *wanted));
        }
    }
    Ok(earlier)
}

/// The process of the page; several only if its PID was reused.
fn chosen(args: &Args, tracker: &PageTracker, name: &str, near: &Near) -> Result<Vec<ProcessId>> {
    let all: Vec<ProcessId> =
        tracker.processes(args.addr).into_iter().filter(|p| tracker.page(*p, args.addr).is_some()).collect();
    let mut pids: Vec<u32> = all.iter().map(|p| p.pid).collect();
    pids.dedup();
    let called =
        |p: &ProcessId| tracker.comm(*p).map_or_else(|| p.pid.to_string(), |comm| format!("{} ({comm})", p.pid));
    let mut names: Vec<String> = all.iter().map(called).collect();
    names.dedup();
    match args.pid {
        Some(pid) if pids.contains(&pid) => Ok(all.into_iter().filter(|p| p.pid == pid).collect()),
        Some(pid) if !all.is_empty() => {
            bail!(
                "{name}: process {pid} has no page at {:#x}; these processes have one: {}",
                args.addr,
                names.join(", ")
            )
        }
        None if pids.len() == 1 => Ok(all),
        None if pids.len() > 1 => bail!(
            "{name}: {} processes have a page at {:#x}: choose one with --pid: {}",
            pids.len(),
            args.addr,
            names.join(", ")
        ),
        _ => bail!("{name}: the trace has no event of the page at {:#x}{near}", args.addr),
    }
}

/// The nearest pages in the trace: an address without a page is often a typing error.
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
        if near.is_empty() { Ok(()) } else { write!(f, "; nearest pages: {}", near.join(" and ")) }
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
