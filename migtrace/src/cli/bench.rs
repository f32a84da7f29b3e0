//! `migtrace bench`: what `cargo xtask bench` measures inside of this program. Not for users, and not in the help.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use migtrace::{
    clock,
    decode::{names::Names, record::decode},
    event::Event,
    filter::Filter,
    live::host::kernel::Kernel,
    recording::{FORMAT_VERSION, Meta},
    synth::{Shape, Synth},
    trace::{Trace, Writer},
};
use serde_json::json;

/// Records that are kept for a replay: enough to be larger than any cache.
const REPLAYED: usize = 1 << 20;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Write a made-up trace
    Synth {
        /// regular, noise, mixed
        shape: Shape,
        #[arg(long)]
        events: u64,
        /// No more than so many events a second, each with the time at which it is written
        #[arg(long)]
        per_second: Option<u64>,
        #[arg(short, long)]
        output: PathBuf,
    },
    /// Decode records, and write them; prints JSON. Times are of the CPU, of all threads together
    Replay {
        /// regular, noise, mixed
        shape: Shape,
        #[arg(long)]
        events: u64,
        /// Trace to write; without, records are only decoded
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
    /// Draw each view of top for many processes; prints JSON, times in ns
    Frame,
    /// Open a trace and read what it says about itself, but no event
    Open { file: PathBuf },
    /// Ask a filter about events; prints JSON. Times are of the CPU
    Filter {
        /// regular, noise, mixed
        shape: Shape,
        #[arg(long)]
        events: u64,
        /// What to ask
        filter: Filter,
    },
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    match &args.what {
        What::Synth { shape, events, per_second, output } => synth(*shape, *events, *per_second, output)?,
        What::Replay { shape, events, output } => replay(*shape, *events, output.as_deref())?,
        What::Frame => super::bench_frame::run()?,
        What::Open { file } => println!("format {}", Trace::open(file)?.meta().format_version),
        What::Filter { shape, events, filter } => ask(*shape, *events, filter)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn synth(shape: Shape, events: u64, per_second: Option<u64>, output: &Path) -> Result<()> {
    let (mut synth, names) = (Synth::new(shape), names());
    let mut writer = Writer::create(output, &meta(None))?;
    let mut last_ns = 0;
    let began = Instant::now();
    for n in 0..events {
        let mut event = decode(synth.next_record(), &names).context("decoding a made-up record")?;
        if let Some(per_second) = per_second {
            while n >= (began.elapsed().as_secs_f64() * per_second as f64) as u64 {
                writer.tick()?;
                thread::sleep(Duration::from_millis(1));
            }
            event.ts_ns = clock::boot_ns();
        }
        last_ns = event.ts_ns;
        writer.push(&event)?;
    }
    writer.finish(&meta(Some(last_ns)))?;
    Ok(())
}

fn replay(shape: Shape, events: u64, output: Option<&Path>) -> Result<()> {
    let (records, names) = (Records::new(shape), names());
    let mut writer = output.map(|path| Writer::create(path, &meta(None))).transpose()?;
    let (began, cpu_began) = (Instant::now(), clock::process_cpu_ns());
    let mut last_ns = 0;
    for n in 0..events {
        let event = decode(records.get(n), &names).context("decoding a made-up record")?;
        last_ns = event.ts_ns;
        match &mut writer {
            Some(writer) => writer.push(&event)?,
            None => drop(std::hint::black_box(event)),
        }
    }
    let summary = writer.map(|writer| writer.finish(&meta(Some(last_ns)))).transpose()?;
    let (cpu_ns, wall_ns) = (clock::process_cpu_ns() - cpu_began, began.elapsed().as_nanos());
    let report = json!({
        "shape": shape.to_string(),
        "events": events,
        "written": summary.is_some(),
        "cpu_ns_per_event": cpu_ns as f64 / events as f64,
        "events_per_cpu_s": events as f64 / cpu_ns as f64 * 1e9,
        "wall_ns_per_event": wall_ns as f64 / events as f64,
        "record_bytes_per_event": records.bytes.len() as f64 / records.ends.len() as f64,
        "file_bytes_per_event": summary.map(|s| s.bytes as f64 / s.events as f64),
    });
    println!("{report:#}");
    Ok(())
}

fn ask(shape: Shape, events: u64, filter: &Filter) -> Result<()> {
    let (records, names) = (Records::new(shape), names());
    let decoded = (0..REPLAYED as u64).map(|n| decode(records.get(n), &names));
    let decoded = decoded.collect::<Result<Vec<Event>, _>>().context("decoding a made-up record")?;
    let began = clock::process_cpu_ns();
    let asked = decoded.iter().cycle().take(events as usize);
    let wanted = asked.filter(|event| filter.wants(*event)).count();
    let cpu_ns = clock::process_cpu_ns() - began;
    let report = json!({
        "shape": shape.to_string(),
        "filter": filter.to_string(),
        "events": events,
        "wanted": wanted,
        "cpu_ns_per_event": cpu_ns as f64 / events as f64,
        "events_per_cpu_s": events as f64 / cpu_ns as f64 * 1e9,
    });
    println!("{report:#}");
    Ok(())
}

/// Records one after the other, as in a ring.
struct Records {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Records {
    fn new(shape: Shape) -> Self {
        let mut synth = Synth::new(shape);
        let mut records = Self { bytes: Vec::new(), ends: Vec::with_capacity(REPLAYED) };
        for _ in 0..REPLAYED {
            records.bytes.extend_from_slice(synth.next_record());
            records.ends.push(records.bytes.len());
        }
        records
    }

    /// Record `n`, over and over.
    fn get(&self, n: u64) -> &[u8] {
        let n = n as usize % self.ends.len();
        let start = if n == 0 { 0 } else { self.ends[n - 1] };
        &self.bytes[start..self.ends[n]]
    }
}

/// The running kernel's words, as a recording has them, or none where it does not show them.
fn names() -> Names {
    Kernel::running().map_or_else(|_| Names::default(), |kernel| Names::of(&kernel))
}

fn meta(end_ns: Option<u64>) -> Meta {
    Meta {
        format_version: FORMAT_VERSION,
        migtrace_version: env!("CARGO_PKG_VERSION").to_owned(),
        hostname: "made-up".to_owned(),
        end_ns,
        ..Meta::default()
    }
}
