//! Measures two kinds of minor faults, page after page on one CPU. They are faults on fresh pages, and on unmapped
//! pages in the swap cache, which migrate-on-fault checks.
//!
//! To get a page there, the program pages it out. Then a child that shares the page's swap entry reads it and ends: the
//! swap cache keeps the page for the parent. Needs a swap device in memory, and root to switch swap read-ahead off.

use std::fs;

use anyhow::{Context, Result, ensure};
use bench_workloads::{Refaulted, region::Region};
use clap::Parser;
use nix::{
    libc,
    sched::{CpuSet, sched_setaffinity},
    sys::{
        resource::{Usage, UsageWho, getrusage},
        wait::{WaitStatus, waitpid},
    },
    time::{ClockId, clock_gettime},
    unistd::{ForkResult, Pid, fork},
};

/// Measure faults on fresh pages, and on pages in the swap cache
#[derive(Parser, Debug)]
struct Args {
    /// Pages to touch in a round
    #[arg(long, default_value_t = 4096)]
    pages: u64,
    /// Measured rounds; one more runs first and is not measured
    #[arg(long, default_value_t = 11)]
    rounds: u32,
}

fn main() -> Result<()> {
    let args = Args::parse();
    fs::write("/proc/sys/vm/page-cluster", "0").context("cannot switch swap read-ahead off")?;
    let mut cpus = CpuSet::new();
    cpus.set(0).and_then(|()| sched_setaffinity(Pid::from_raw(0), &cpus)).context("cannot run on CPU 0")?;
    let mut region = Region::new(args.pages)?;
    let mut measured = Refaulted { pages: args.pages, anon_ns: Vec::new(), swap_cache_ns: Vec::new() };
    for round in 0..=args.rounds {
        let anon_ns = timed(&args, || region.touch(0..args.pages)).context("fresh pages")?;
        region.page_out()?;
        read_in_child(&region, args.pages)?;
        let swap_cache_ns = timed(&args, || region.read()).context("pages in the swap cache")?;
        // The first round also fills the page tables.
        if round > 0 {
            measured.anon_ns.push(anon_ns);
            measured.swap_cache_ns.push(swap_cache_ns);
        }
        region.discard()?;
    }
    println!("{}", serde_json::to_string(&measured).context("cannot write JSON")?);
    Ok(())
}

/// Maximum faults on other pages of this program, which happen now and then.
const OTHERS_AT_MOST: i64 = 8;

/// Runs `act` and returns its time, ns. Each page must take one minor fault.
fn timed(args: &Args, act: impl FnOnce()) -> Result<u64> {
    let before = usage()?;
    let began_ns = now_ns()?;
    act();
    let ns = now_ns()? - began_ns;
    let after = usage()?;
    let minor = after.minor_page_faults() - before.minor_page_faults();
    let major = after.major_page_faults() - before.major_page_faults();
    let others = minor - args.pages as i64;
    ensure!(
        (0..=OTHERS_AT_MOST).contains(&others) && major == 0,
        "expected one minor fault per page: {minor} minor and {major} major faults on {} pages",
        args.pages
    );
    Ok(ns)
}

/// Forks a child that reads all pages from swap and ends.
fn read_in_child(region: &Region, pages: u64) -> Result<()> {
    // SAFETY: this process has one thread; the child allocates nothing and ends by _exit.
    match unsafe { fork() }.context("cannot fork")? {
        ForkResult::Child => {
            region.read();
            let all_from_swap = usage().is_ok_and(|usage| usage.major_page_faults() >= pages as i64);
            // SAFETY: only ends the child, without the parent's exit handlers.
            unsafe { libc::_exit(i32::from(!all_from_swap)) }
        }
        ForkResult::Parent { child } => {
            let status = waitpid(child, None).context("cannot wait for a child")?;
            ensure!(status == WaitStatus::Exited(child, 0), "not all pages were in swap: {status:?}");
            Ok(())
        }
    }
}

fn usage() -> Result<Usage> {
    getrusage(UsageWho::RUSAGE_SELF).context("cannot read resource usage")
}

fn now_ns() -> Result<u64> {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).context("cannot read the clock")?;
    Ok(time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
}
