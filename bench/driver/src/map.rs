//! `map`: pages per second that `migtrace map` reads, of a process with a large mapping; and those that the kernel alone gives
//! from pagemap.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    os::unix::{fs::FileExt, process::CommandExt},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde::Deserialize;
use xtask_common::command;

use crate::{
    Scale,
    lab::{Lab, Used},
    report::{Bound, Failed, Report, Unit},
    series,
    spread::Spread,
};

/// Pages per second by frames.
const AT_LEAST: f64 = 10e6;
/// Bytes of an entry of pagemap, and of a page.
const ENTRY_BYTES: u64 = 8;
const PAGE_BYTES: u64 = 4096;
/// CAP_SYS_ADMIN, without which the kernel hides frames.
const SYS_ADMIN: libc::c_ulong = 21;

/// How pages are placed, and how they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arm {
    Consecutive,
    /// Each page is on another node than the one before.
    Interleaved,
    /// The kernel hides frames from the reader.
    Hidden,
}

const ARMS: [Arm; 3] = [Arm::Consecutive, Arm::Interleaved, Arm::Hidden];

/// The part of the map that is needed.
#[derive(Deserialize)]
struct Map {
    begin_ns: u64,
    end_ns: u64,
    sources: Sources,
}

#[derive(Deserialize)]
struct Sources {
    by_frame: u64,
    by_move_pages: u64,
}

/// One reading.
struct Run {
    pages: u64,
    ns: u64,
    used: Used,
    /// Time of reading pagemap alone.
    alone: Duration,
}

pub(crate) fn run(lab: &Lab, scale: &Scale) -> Result<Report> {
    let pages = scale.faults;
    let runs = series::in_turn(ARMS.len(), scale.repeats, |arm| ARMS[arm].run(lab, pages));
    let mut report = Report::new(&[
        ("pages", Unit::Count),
        ("read per second", Unit::PerSecond),
        ("pagemap alone", Unit::PerSecond),
        ("memory", Unit::Megabytes),
    ]);
    let of = |arm: usize, number: &dyn Fn(&Run) -> f64| {
        Spread::of(runs[arm].as_ref().ok()?.iter().map(|run| Some(number(run))))
    };
    let rate = |run: &Run| run.pages as f64 / (run.ns as f64 / 1e9);
    for (n, arm) in ARMS.into_iter().enumerate() {
        let memory = of(n, &|run| run.used.max_rss_bytes as f64 / 1e6);
        let alone = of(n, &|run| run.pages as f64 / run.alone.as_secs_f64());
        report.row(arm.name(), [of(n, &|run| run.pages as f64), of(n, &rate), alone, memory]);
    }
    for (n, arm) in ARMS.into_iter().enumerate().filter(|(_, arm)| *arm != Arm::Hidden) {
        report.limit(
            format!("{}: read per second", arm.name()),
            Unit::PerSecond,
            of(n, &rate),
            Bound::AtLeast(AT_LEAST),
        );
    }
    report.failed.extend(runs.iter().filter_map(|runs| runs.as_ref().err()).map(Failed::of));
    report
        .notes
        .push("time to read mappings, policies, page tables and nodes, without starting and printing".to_owned());
    report
        .notes
        .push("pagemap alone: the same pages by read(2) of 1 MiB at a time, by a reader that sees frames".to_owned());
    Ok(report)
}

impl Arm {
    fn name(self) -> &'static str {
        match self {
            Arm::Consecutive => "by frames",
            Arm::Interleaved => "by frames, pages interleaved",
            Arm::Hidden => "by move_pages(2), frames hidden",
        }
    }

    fn run(self, lab: &Lab, pages: u64) -> Result<Run> {
        let mut holder = Holder::start(lab, pages, self == Arm::Interleaved)?;
        let alone = holder.read_pagemap(pages)?;
        // Not pinned: the holder is idle, and one thread reads policies while another reads page tables.
        let mut argv: Command = lab.anywhere(&lab.tools.migtrace);
        argv.args(["map", "--json", "--quiet", &holder.0.id().to_string()]);
        if self == Arm::Hidden {
            // SAFETY: between fork and exec only prctl is called, which is async-signal-safe.
            unsafe {
                argv.pre_exec(|| match libc::prctl(libc::PR_CAPBSET_DROP, SYS_ADMIN, 0, 0, 0) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                });
            }
        }
        let used = lab.run(argv, "map")?;
        holder.end()?;
        let map: Map = serde_json::from_str(&used.stdout).context("migtrace map printed no such JSON")?;
        let read = if self == Arm::Hidden { map.sources.by_move_pages } else { map.sources.by_frame };
        ensure!(read >= pages, "{read} of {pages} pages have a node");
        Ok(Run { pages: read, ns: map.end_ns - map.begin_ns, used, alone })
    }
}

/// A process that holds memory.
struct Holder(Child);

impl Holder {
    fn start(lab: &Lab, pages: u64, interleave: bool) -> Result<Holder> {
        let mut holder = lab.anywhere(&lab.tools.holder);
        holder.args(["--pages", &pages.to_string()]).args(interleave.then_some("--interleave"));
        command::ends_with_this_process(&mut holder, Signal::SIGTERM);
        let mut child =
            holder.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot start the holder")?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("the holder has no output")?;
        BufReader::new(stdout).read_line(&mut line).context("cannot read the holder's output")?;
        ensure!(line == "ready\n", "the holder failed: {line}");
        Ok(Holder(child))
    }

    /// Reads the entries of its largest mapping, and returns the time.
    fn read_pagemap(&self, pages: u64) -> Result<Duration> {
        let process = format!("/proc/{}", self.0.id());
        let maps = fs::read_to_string(format!("{process}/maps")).context("cannot read the holder's mappings")?;
        let range = |line: &str| {
            let (start, rest) = line.split_once('-')?;
            let number = |text| u64::from_str_radix(text, 16).ok();
            Some((number(start)?, number(rest.split(' ').next()?)?))
        };
        let is_it = |(start, end): &(u64, u64)| (end - start) / PAGE_BYTES >= pages;
        let (start, _) = maps.lines().filter_map(range).find(is_it).context("the holder has no such mapping")?;
        let pagemap = File::open(format!("{process}/pagemap")).context("cannot open the holder's pagemap")?;
        let (mut buffer, mut at) = (vec![0; 1 << 20], start / PAGE_BYTES * ENTRY_BYTES);
        let end = at + pages * ENTRY_BYTES;
        let began = Instant::now();
        while at < end {
            let wanted = buffer.len().min((end - at) as usize);
            let read = pagemap.read_at(&mut buffer[..wanted], at).context("cannot read the holder's pagemap")?;
            ensure!(read > 0, "the holder's pagemap ends early");
            at += read as u64;
        }
        Ok(began.elapsed())
    }

    fn end(&mut self) -> Result<()> {
        drop(self.0.stdin.take());
        let status = self.0.wait().context("cannot wait for the holder")?;
        ensure!(status.success(), "the holder failed: {status}");
        Ok(())
    }
}
