//! Measures migtrace's library on synthetic records. `cargo xtask bench` runs this program.

mod frame;

use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use bench_synth::{Shape, Synth};
use clap::Parser;
use migtrace::{
    clock,
    decode::{names::Names, record::decode},
    event::Event,
    filter::Filter,
    live::host::kernel::Kernel,
    recording::Meta,
    trace::{FORMAT_VERSION, Trace, Writer},
};
use serde_json::json;

/// Number of records kept in memory: together larger than any cache.
const REPLAYED: usize = 1 << 20;

/// Measure migtrace's library on synthetic records
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Write a synthetic trace
    Synth {
        /// regular, noise, mixed
        shape: Shape,
        #[arg(long)]
        events: u64,
        /// Maximum events per second; gives each event the time of its writing
        #[arg(long)]
        per_second: Option<u64>,
        #[arg(short, long)]
        output: PathBuf,
    },
    /// Decode records, with --output also write a trace; prints JSON with CPU times of all threads together
    Decode {
        /// regular, noise, mixed
        shape: Shape,
        #[arg(long)]
        events: u64,
        /// Trace to write; default: only decode
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
    /// Draw each view of `top` for 5000 processes; prints JSON with times in ns
    Frame,
    /// Open a trace and read its metadata, but no event
    Open { file: PathBuf },
    /// Evaluate a filter on events; prints JSON with CPU times
    Filter {
        /// regular, noise, mixed
        shape: Shape,
        #[arg(long)]
        events: u64,
        /// Filter expression
        filter: Filter,
    },
}

fn main() -> Result<()> {
    match Args::parse().command {
        Command::Synth { shape, events, per_second, output } => synth(shape, events, per_second, &output),
        Command::Decode { shape, events, output } => decode_all(shape, events, output.as_deref()),
        Command::Frame => frame::run(),
        Command::Open { file } => open(&file),
        Command::Filter { shape, events, filter } => filter_all(shape, events, &filter),
    }
}

fn open(file: &Path) -> Result<()> {
    println!("format {}", Trace::open(file)?.meta().format_version);
    Ok(())
}

fn synth(shape: Shape, events: u64, per_second: Option<u64>, output: &Path) -> Result<()> {
    let (mut synth, names) = (Synth::new(shape), names());
    let mut writer = Writer::create(output, &meta(None))?;
    let mut last_ns = 0;
    let began = Instant::now();
    for n in 0..events {
        let mut event = decode(synth.next_record(), &names).context("decoding a synthetic record")?;
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

fn decode_all(shape: Shape, events: u64, output: Option<&Path>) -> Result<()> {
    let (records, names) = (Records::new(shape), names());
    let mut writer = output.map(|path| Writer::create(path, &meta(None))).transpose()?;
    let (began, cpu_began) = (Instant::now(), clock::process_cpu_ns());
    let mut last_ns = 0;
    for n in 0..events {
        let event = decode(records.get(n), &names).context("decoding a synthetic record")?;
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

fn filter_all(shape: Shape, events: u64, filter: &Filter) -> Result<()> {
    let (records, names) = (Records::new(shape), names());
    let decoded = (0..REPLAYED as u64).map(|n| decode(records.get(n), &names));
    let decoded = decoded.collect::<Result<Vec<Event>, _>>().context("decoding a synthetic record")?;
    let began = clock::process_cpu_ns();
    let events_in_turn = decoded.iter().cycle().take(events as usize);
    let wanted = events_in_turn.filter(|event| filter.wants(*event)).count();
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

/// Records stored one after another, as in a ring.
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

    /// Returns record `n`. After the last record, starts again with the first.
    fn get(&self, n: u64) -> &[u8] {
        let n = n as usize % self.ends.len();
        let start = if n == 0 { 0 } else { self.ends[n - 1] };
        &self.bytes[start..self.ends[n]]
    }
}

/// Returns the running kernel's names of enumerators, as a recording has them. Empty if the kernel does not show them.
fn names() -> Names {
    Kernel::running().map_or_else(|_| Names::default(), |kernel| Names::from_enums(|name| kernel.enumerators(name)))
}

fn meta(end_ns: Option<u64>) -> Meta {
    Meta {
        format_version: FORMAT_VERSION,
        migtrace_version: env!("CARGO_PKG_VERSION").to_owned(),
        hostname: "synthetic".to_owned(),
        end_ns,
        ..Meta::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::CommandFactory;

    use super::*;

    fn events(shape: Shape) -> Vec<Event> {
        let mut synth = Synth::new(shape);
        (0..20_000).map(|_| decode(synth.next_record(), &Names::default()).expect("a record")).collect()
    }

    #[test]
    fn synthetic_records_decode_in_order_of_time() {
        for (shape, kinds) in [(Shape::Regular, 1), (Shape::Noise, 2), (Shape::Mixed, 4)] {
            let events = events(shape);
            assert!(events.is_sorted_by_key(|e| e.ts_ns), "{shape}");
            let mut by_kind = BTreeMap::new();
            events.iter().for_each(|e| *by_kind.entry(e.body.kind()).or_insert(0) += 1);
            assert_eq!(by_kind.len(), kinds, "{shape}: {by_kind:?}");
        }
    }

    #[test]
    fn synthetic_records_are_the_same_in_each_run() {
        assert_eq!(events(Shape::Mixed), events(Shape::Mixed));
    }

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
