//! Holds anonymous memory until its standard input is closed. Prints `ready` once all pages are there.

use std::{
    fs,
    io::{self, Read, Write},
};

use anyhow::{Context, Result, ensure};
use bench_workloads::region::Region;
use clap::Parser;
use nix::libc;

/// Hold memory, and print `ready` when it is there
#[derive(Parser, Debug)]
struct Args {
    /// Base pages to hold
    #[arg(long)]
    pages: u64,
    /// Interleave the pages over all nodes with memory, one after the other
    #[arg(long)]
    interleave: bool,
}

const MPOL_INTERLEAVE: libc::c_int = 3;

fn main() -> Result<()> {
    let args = Args::parse();
    if args.interleave {
        interleave()?;
    }
    let mut region = Region::new(args.pages)?;
    region.touch(0..args.pages);
    println!("ready");
    io::stdout().flush().context("cannot write")?;
    io::stdin().read_to_end(&mut Vec::new()).context("cannot wait")?;
    Ok(())
}

/// Makes later pages alternate between the nodes with memory.
fn interleave() -> Result<()> {
    let text =
        fs::read_to_string("/sys/devices/system/node/has_memory").context("cannot read the nodes with memory")?;
    let mut mask = 0_u64;
    for range in text.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        for nid in first.parse::<u32>()?..=last.parse()? {
            ensure!(nid < 64, "node {nid} is beyond 63");
            mask |= 1 << nid;
        }
    }
    // SAFETY: the kernel reads 64 bits of `mask`, which lives until the call returns.
    let ret = unsafe { libc::syscall(libc::SYS_set_mempolicy, MPOL_INTERLEAVE, &raw const mask, 65_u64) };
    ensure!(ret == 0, "set_mempolicy: {}", io::Error::last_os_error());
    Ok(())
}
