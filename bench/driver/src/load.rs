//! `load`: time and memory to summarize a large recording.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use xtask_common::progress::step;

use crate::{
    Scale,
    lab::{Lab, Used},
    report::{Bound, Failed, Report, Unit},
    series,
    spread::Spread,
    watcher::{Watcher, perf},
    workload::Workload,
};

/// Events in a recording.
const EVENTS: u64 = 10_000_000;
/// How many times as large the recording for `--long` is, and how many times as long its summary may take.
const LONG: u64 = 10;
const LONG_AT_MOST: f64 = 11.0;
const OPEN_AT_MOST_S: f64 = 0.05;
const SUMMARY_AT_MOST_S: f64 = 1.5;
const SUMMARY_AT_MOST_BYTES: f64 = 500e6;

/// A program that reads a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    Open,
    Summary,
    SummaryLong,
    PerfReport,
    PerfScript,
}

struct Recordings {
    trace: PathBuf,
    long_trace: Option<PathBuf>,
    perf: PathBuf,
    /// Samples in perf's recording, which is made of real faults.
    samples: u64,
}

pub(crate) fn run(lab: &Lab, scale: &Scale) -> Result<Report> {
    let recordings = Recordings::make(lab, scale)?;
    let mut readers = vec![Reader::Open, Reader::Summary, Reader::PerfReport, Reader::PerfScript];
    if recordings.long_trace.is_some() {
        readers.push(Reader::SummaryLong);
    }
    let runs = series::in_turn(readers.len(), scale.repeats, |reader| readers[reader].run(lab, &recordings));
    recordings.remove()?;
    let mut report = Report::new(&[
        ("events", Unit::Count),
        ("time", Unit::Seconds),
        ("per event", Unit::Nanoseconds),
        ("memory", Unit::Megabytes),
    ]);
    let seconds = |used: &Used| used.wall.as_secs_f64();
    let spread = |reader: Reader, number: &dyn Fn(&Used) -> f64| {
        let place = readers.iter().position(|&other| other == reader)?;
        Spread::of(runs[place].as_ref().ok()?.iter().map(|used| Some(number(used))))
    };
    for &reader in &readers {
        let events = reader.events(&recordings);
        let count = Spread::of([Some(events as f64)]);
        let per_event = spread(reader, &|used| seconds(used) * 1e9 / events as f64);
        let memory = spread(reader, &|used| used.max_rss_bytes as f64 / 1e6);
        report.row(reader.name(), [count, spread(reader, &seconds), per_event, memory]);
    }
    let time = spread(Reader::Summary, &seconds);
    let bytes = spread(Reader::Summary, &|used| used.max_rss_bytes as f64 / 1e6);
    let at_most = Bound::AtMost(SUMMARY_AT_MOST_BYTES / 1e6);
    let open = spread(Reader::Open, &seconds);
    report.limit("migtrace, opening only: time", Unit::Seconds, open, Bound::AtMost(OPEN_AT_MOST_S));
    report.limit("migtrace summary: time", Unit::Seconds, time.clone(), Bound::AtMost(SUMMARY_AT_MOST_S));
    report.limit("migtrace summary: memory", Unit::Megabytes, bytes, at_most);
    if recordings.long_trace.is_some() {
        let ratio = spread(Reader::SummaryLong, &seconds).zip(time).and_then(|(long, short)| long.over(&short));
        report.limit("migtrace summary: 100 M / 10 M events", Unit::Ratio, ratio, Bound::AtMost(LONG_AT_MOST));
    }
    report.failed.extend(runs.iter().filter_map(|runs| runs.as_ref().err()).map(Failed::of));
    report.notes.push(
        "wall time, with the file in the page cache; migtrace reads a synthetic trace of several kinds of events, \
         perf a recording of as many faults"
            .to_owned(),
    );
    Ok(report)
}

impl Recordings {
    fn make(lab: &Lab, scale: &Scale) -> Result<Recordings> {
        let trace = synthesize(lab, EVENTS)?;
        let long_trace = scale.long.then(|| synthesize(lab, EVENTS * LONG)).transpose()?;
        let workload = Workload::new(vec![lab.faulting_cpu()], EVENTS);
        let recorded = step("recording as many faults with perf", || Watcher::Perf.run(lab, &workload))?;
        let samples = recorded.kept.context("perf kept no samples")?.events;
        Ok(Recordings { trace, long_trace, perf: perf::file(lab, false), samples })
    }

    /// Removes the files, because they are large.
    fn remove(&self) -> Result<()> {
        for file in [Some(&self.trace), self.long_trace.as_ref(), Some(&self.perf)].into_iter().flatten() {
            fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
        Ok(())
    }
}

fn synthesize(lab: &Lab, events: u64) -> Result<PathBuf> {
    let file = lab.file(&format!("synthetic-{events}.parquet"));
    step(&format!("writing a synthetic trace of {} million events", events / 1_000_000), || {
        let mut replay = lab.anywhere(&lab.tools.replay);
        replay.args(["synth", "mixed", "--events", &events.to_string(), "--output"]).arg(&file);
        lab.run(replay, "synth").map(drop)
    })?;
    Ok(file)
}

impl Reader {
    fn name(self) -> &'static str {
        match self {
            Reader::Open => "migtrace, opening only",
            Reader::Summary | Reader::SummaryLong => "migtrace summary",
            Reader::PerfReport => "perf report",
            Reader::PerfScript => "perf script",
        }
    }

    fn events(self, recordings: &Recordings) -> u64 {
        match self {
            Reader::Open | Reader::Summary => EVENTS,
            Reader::SummaryLong => EVENTS * LONG,
            Reader::PerfReport | Reader::PerfScript => recordings.samples,
        }
    }

    fn run(self, lab: &Lab, recordings: &Recordings) -> Result<Used> {
        let migtrace = |arguments: &[&str], trace: &Path| {
            let mut command = lab.anywhere(&lab.tools.migtrace);
            command.args(arguments).arg(trace);
            command
        };
        let perf = |arguments: &[&str]| {
            let mut command = lab.anywhere(Path::new("perf"));
            command.args(arguments).arg("--input").arg(&recordings.perf);
            command
        };
        let command = match self {
            Reader::Open => {
                let mut command = lab.anywhere(&lab.tools.replay);
                command.arg("open").arg(&recordings.trace);
                command
            }
            Reader::Summary => migtrace(&["summary"], &recordings.trace),
            Reader::SummaryLong => {
                migtrace(&["summary"], recordings.long_trace.as_deref().context("there is no long trace")?)
            }
            Reader::PerfReport => perf(&["report", "--stdio"]),
            Reader::PerfScript => perf(&["script"]),
        };
        lab.run_quietly(command, "load")
    }
}
