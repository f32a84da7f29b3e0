//! Runs a command while the least that a BPF program on page faults can be is attached.
//!
//! `floor empty` attaches a program that does nothing, `floor store` one that stores a record, which this process reads
//! on a timer and throws away. Both see the faults of all processes.

use std::{
    fs,
    path::PathBuf,
    process::{Command, ExitCode},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use aya::{
    Ebpf,
    maps::{MapData, PerCpuArray, RingBuf},
    programs::RawTracePoint,
};
use clap::{Parser, ValueEnum};
use xtask_bench::Watched;

/// Between two looks at the ring.
const POLL: Duration = Duration::from_millis(1);
const TRACEPOINT: &str = "page_fault_user";

/// Run a command with a minimal BPF program on its page faults
#[derive(Parser, Debug)]
struct Args {
    program: Program,
    /// The BPF object that holds the programs
    #[arg(long, value_name = "FILE")]
    object: PathBuf,
    /// Where to write how many records there were, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Program {
    Empty,
    Store,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let mut bpf = Ebpf::load_file(&args.object).with_context(|| format!("cannot load {}", args.object.display()))?;
    let name = match args.program {
        Program::Empty => "empty",
        Program::Store => "store",
    };
    let mut ring = RingBuf::try_from(bpf.take_map("RING").context("the object lacks the ring")?)?;
    let program: &mut RawTracePoint = bpf.program_mut(name).context("the object lacks the program")?.try_into()?;
    program.load().context("this kernel does not load a raw tracepoint's program")?;
    let link = program.attach(TRACEPOINT).with_context(|| format!("cannot attach to {TRACEPOINT}"))?;
    let mut watched = Watched::default();
    let mut child = Command::new(&args.command[0])
        .args(&args.command[1..])
        .spawn()
        .with_context(|| format!("cannot start {}", args.command[0]))?;
    let status = loop {
        // Asked first: what is in the ring then is all that the command left.
        let ended = child.try_wait().context("cannot wait for the command")?;
        watched.records += drain(&mut ring);
        match ended {
            Some(status) => break status,
            None => thread::sleep(POLL),
        }
    };
    program.detach(link).context("cannot detach")?;
    let lost: PerCpuArray<_, u64> = bpf.map("LOST").context("the object lacks its counter")?.try_into()?;
    watched.lost = lost.get(&0, 0).context("cannot read what was lost")?.iter().sum();
    if let Some(file) = &args.report {
        let json = serde_json::to_string(&watched).context("cannot write JSON")?;
        fs::write(file, json).with_context(|| format!("cannot write {}", file.display()))?;
    }
    ensure!(status.success(), "{} failed: {status}", args.command[0]);
    Ok(ExitCode::SUCCESS)
}

/// Throws away what is in the ring now; how many records that was.
fn drain(ring: &mut RingBuf<MapData>) -> u64 {
    let mut records = 0;
    while ring.next().is_some() {
        records += 1;
    }
    records
}
