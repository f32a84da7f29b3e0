//! `map`: pages per second that `migtrace map` reads, of a process with a large mapping.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
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
}

pub(crate) fn run(lab: &Lab, scale: &Scale) -> Result<Report> {
    let pages = scale.faults;
    let runs = series::in_turn(ARMS.len(), scale.repeats, |arm| ARMS[arm].run(lab, pages));
    let mut report =
        Report::new(&[("pages", Unit::Count), ("read per second", Unit::PerSecond), ("memory", Unit::Megabytes)]);
    let of = |arm: usize, number: &dyn Fn(&Run) -> f64| {
        Spread::of(runs[arm].as_ref().ok()?.iter().map(|run| Some(number(run))))
    };
    let rate = |run: &Run| run.pages as f64 / (run.ns as f64 / 1e9);
    for (n, arm) in ARMS.into_iter().enumerate() {
        let memory = of(n, &|run| run.used.max_rss_bytes as f64 / 1e6);
        report.row(arm.name(), [of(n, &|run| run.pages as f64), of(n, &rate), memory]);
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
        let mut argv: Command = lab.watching([&lab.tools.migtrace]);
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
        Ok(Run { pages: read, ns: map.end_ns - map.begin_ns, used })
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

    fn end(&mut self) -> Result<()> {
        drop(self.0.stdin.take());
        let status = self.0.wait().context("cannot wait for the holder")?;
        ensure!(status.success(), "the holder failed: {status}");
        Ok(())
    }
}
