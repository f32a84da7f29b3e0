//! Touches fresh pages as fast as one CPU can, again and again, and reports the cost of a fault.
//!
//! The workload of the benches. With several CPUs it starts one process for each, and all of them begin at once.
//! Threads would wait for the lock of their common memory map.

use std::{
    fs,
    io::{self, BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use bench_workloads::{Round, Touched, region::Region};
use clap::{Parser, ValueEnum};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    sys::{
        resource::{Usage, UsageWho, getrusage},
        time::{TimeVal, TimeValLike},
    },
    time::{ClockId, clock_gettime},
    unistd::Pid,
};

/// Touch fresh anonymous pages and measure the faults
#[derive(Parser, Debug)]
struct Args {
    /// CPUs to run on, one process each
    #[arg(long, required = true, value_delimiter = ',')]
    cpus: Vec<u32>,
    /// Pages to touch in a round
    #[arg(long, default_value_t = 32_768)]
    pages: u64,
    /// Measured rounds; one more runs first and is not measured
    #[arg(long, default_value_t = 16)]
    rounds: u32,
    /// Order in which to touch the pages
    #[arg(long, value_enum, default_value_t = Order::Sequential)]
    order: Order,
    /// File for the measurements, as JSON; default: standard output
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Wait for a line on standard input before touching
    #[arg(long, hide = true)]
    gate: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Order {
    Sequential,
    /// A new random order in each round.
    Random,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let touched = match args.cpus[..] {
        [cpu] => vec![touch(&args, cpu)?],
        _ => on_each(&args)?,
    };
    let mut json = serde_json::to_string(&touched).context("cannot write JSON")?;
    json.push('\n');
    match &args.report {
        Some(file) => fs::write(file, json).with_context(|| format!("cannot write {}", file.display())),
        None => io::stdout().write_all(json.as_bytes()).context("cannot write to standard output"),
    }
}

/// Touches the pages in this process, on one CPU.
fn touch(args: &Args, cpu: u32) -> Result<Touched> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu as usize)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &cpus))
        .with_context(|| format!("cannot run on CPU {cpu}"))?;
    let mut region = Region::new(args.pages)?;
    let mut order: Vec<u64> = match args.order {
        Order::Sequential => Vec::new(),
        Order::Random => (0..args.pages).collect(),
    };
    if args.gate {
        println!("ready");
        ensure!(io::stdin().lines().next().is_some(), "standard input ended before the start");
    }
    let mut faults = 0;
    let mut rounds = Vec::with_capacity(args.rounds as usize);
    for number in 0..=args.rounds {
        fastrand::shuffle(&mut order);
        let before = usage()?.minor_page_faults();
        let (wall, on_cpu) = (now(ClockId::CLOCK_MONOTONIC)?, now(ClockId::CLOCK_THREAD_CPUTIME_ID)?);
        match args.order {
            Order::Sequential => region.touch(0..args.pages),
            Order::Random => region.touch(order.iter().copied()),
        }
        let round = Round {
            cpu_ns: now(ClockId::CLOCK_THREAD_CPUTIME_ID)? - on_cpu,
            wall_ns: now(ClockId::CLOCK_MONOTONIC)? - wall,
        };
        // The first round also fills the page tables.
        if number > 0 {
            faults += u64::try_from(usage()?.minor_page_faults() - before).context("the fault count decreased")?;
            rounds.push(round);
        }
        region.discard()?;
    }
    let process_cpu_ns = {
        let usage = usage()?;
        nanoseconds(usage.user_time()) + nanoseconds(usage.system_time())
    };
    Ok(Touched { cpu, pages: args.pages, faults, rounds, process_cpu_ns })
}

/// Touches the pages in one process for each CPU, all at once.
fn on_each(args: &Args) -> Result<Vec<Touched>> {
    let mut children = args.cpus.iter().map(|&cpu| start(args, cpu)).collect::<Result<Vec<_>>>()?;
    for (_, output) in &mut children {
        let mut ready = String::new();
        output.read_line(&mut ready).context("cannot read the output of a process")?;
        ensure!(ready == "ready\n", "a process is not ready: it printed {ready:?}");
    }
    for (child, _) in &mut children {
        child
            .stdin
            .take()
            .context("a process has no input")?
            .write_all(b"go\n")
            .context("cannot start the measurement of a process")?;
    }
    let end = |(mut child, output): (Child, BufReader<_>)| {
        let touched: Vec<Touched> = serde_json::from_reader(output).context("cannot read a process's report")?;
        let status = child.wait().context("cannot wait for a process")?;
        ensure!(status.success(), "a process failed: {status}");
        Ok(touched)
    };
    Ok(children.into_iter().map(end).collect::<Result<Vec<_>>>()?.concat())
}

fn start(args: &Args, cpu: u32) -> Result<(Child, BufReader<std::process::ChildStdout>)> {
    let order = args.order.to_possible_value().context("the order has no name")?;
    let mut child = Command::new(std::env::current_exe().context("cannot find this program")?)
        .args(["--gate", "--cpus", &cpu.to_string(), "--order", order.get_name()])
        .args(["--pages", &args.pages.to_string(), "--rounds", &args.rounds.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start a process for CPU {cpu}"))?;
    let output = child.stdout.take().context("a process has no output")?;
    Ok((child, BufReader::new(output)))
}

fn now(clock: ClockId) -> Result<u64> {
    let time = clock_gettime(clock).context("cannot read a clock")?;
    Ok(time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
}

fn usage() -> Result<Usage> {
    getrusage(UsageWho::RUSAGE_SELF).context("cannot read the resource usage of this process")
}

fn nanoseconds(time: TimeVal) -> u64 {
    time.num_microseconds() as u64 * 1000
}
