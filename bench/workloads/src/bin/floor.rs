//! Runs a command while the cheapest possible BPF program on page faults is attached.
//!
//! `floor empty` attaches a program that does nothing. `floor empty-pair` attaches two of them, at the start and the
//! end of a fault. `floor store` attaches one that stores a record; this process reads the records on a timer and
//! discards them. All programs see the faults of all processes.

use std::{
    fs,
    path::PathBuf,
    process::{Command, ExitCode},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use aya::{
    Btf, Ebpf,
    maps::{MapData, PerCpuArray, RingBuf},
    programs::{FEntry, FExit, RawTracePoint},
};
use bench_workloads::Watched;
use clap::{Parser, ValueEnum};

/// Time between two reads of the ring.
const POLL: Duration = Duration::from_millis(1);
const TRACEPOINT: &str = "page_fault_user";
const FUNCTION: &str = "handle_mm_fault";

/// Run a command with a minimal BPF program on its page faults
#[derive(Parser, Debug)]
struct Args {
    program: Program,
    /// The BPF object that holds the programs
    #[arg(long, value_name = "FILE")]
    object: PathBuf,
    /// File for the number of records, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Program {
    Empty,
    EmptyPair,
    Store,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let mut bpf = Ebpf::load_file(&args.object).with_context(|| format!("cannot load {}", args.object.display()))?;
    let mut ring = RingBuf::try_from(bpf.take_map("RING").context("the BPF object has no map RING")?)?;
    attach(&mut bpf, args.program)?;
    let mut watched = Watched::default();
    let mut child = Command::new(&args.command[0])
        .args(&args.command[1..])
        .spawn()
        .with_context(|| format!("cannot start {}", args.command[0]))?;
    let status = loop {
        // Before reading the ring: if the command has ended, its last records are in the ring now.
        let ended = child.try_wait().context("cannot wait for the command")?;
        watched.records += drain(&mut ring);
        match ended {
            Some(status) => break status,
            None => thread::sleep(POLL),
        }
    };
    let lost: PerCpuArray<_, u64> = bpf.map("LOST").context("the BPF object has no map LOST")?.try_into()?;
    watched.lost = lost.get(&0, 0).context("cannot read the number of lost records")?.iter().sum();
    if let Some(file) = &args.report {
        let json = serde_json::to_string(&watched).context("cannot write JSON")?;
        fs::write(file, json).with_context(|| format!("cannot write {}", file.display()))?;
    }
    ensure!(status.success(), "{} failed: {status}", args.command[0]);
    Ok(ExitCode::SUCCESS)
}

/// Attaches the programs. They stay attached until the object is dropped.
fn attach(bpf: &mut Ebpf, program: Program) -> Result<()> {
    let name = match program {
        Program::Empty => "empty",
        Program::Store => "store",
        Program::EmptyPair => {
            let btf = Btf::from_sys_fs().context("this kernel has no BTF")?;
            let begin: &mut FEntry =
                bpf.program_mut("empty_begin").context("the BPF object has no program empty_begin")?.try_into()?;
            begin.load(FUNCTION, &btf).context("this kernel does not load fentry programs")?;
            begin.attach().with_context(|| format!("cannot attach to the start of {FUNCTION}"))?;
            let end: &mut FExit =
                bpf.program_mut("empty_end").context("the BPF object has no program empty_end")?.try_into()?;
            end.load(FUNCTION, &btf).context("this kernel does not load fexit programs")?;
            end.attach().with_context(|| format!("cannot attach to the end of {FUNCTION}"))?;
            return Ok(());
        }
    };
    let program: &mut RawTracePoint =
        bpf.program_mut(name).with_context(|| format!("the BPF object has no program {name}"))?.try_into()?;
    program.load().context("this kernel does not load raw tracepoint programs")?;
    program.attach(TRACEPOINT).with_context(|| format!("cannot attach to {TRACEPOINT}"))?;
    Ok(())
}

/// Discards the records that are in the ring now, and returns their number.
fn drain(ring: &mut RingBuf<MapData>) -> u64 {
    let mut records = 0;
    while ring.next().is_some() {
        records += 1;
    }
    records
}
