//! `top`: the CPU time of the live screen at low and high event rates, and how fast it reacts.

use std::{
    fs::File,
    io::{Read, Write},
    mem,
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use nix::{
    pty::{Winsize, openpty},
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::Deserialize;
use xtask_common::command;

use crate::{
    Scale,
    lab::Lab,
    report::{Bound, Failed, Report, Unit},
    series,
    spread::Spread,
    watcher::recorded,
    workload::Workload,
};

/// Maximum share of a CPU.
const CPU_AT_MOST: f64 = 0.05;
const FRAME_AT_MOST_NS: f64 = 16e6;
const KEY_AT_MOST_NS: f64 = 100e6;
/// Time to attach the probes and show the first counts.
const STARTING: Duration = Duration::from_secs(4);
/// Time of the measurement.
const MEASURED: Duration = Duration::from_secs(5);
/// A number of faults that takes hours.
const FOR_EVER: u64 = 1 << 35;
const SIZE: Winsize = Winsize { ws_row: 50, ws_col: 160, ws_xpixel: 0, ws_ypixel: 0 };

/// The load on the machine, and the programs that trace it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arm {
    Calm,
    Storm,
    /// A recording of the storm, with the screen running.
    RecordedWatched,
    /// A recording of the storm, without the screen.
    RecordedAlone,
}

const ARMS: [Arm; 4] = [Arm::Calm, Arm::Storm, Arm::RecordedWatched, Arm::RecordedAlone];

/// The measurements of one run.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    /// Share of a CPU that the screen used.
    cpu: Option<f64>,
    /// Bytes per second that the screen wrote to the terminal.
    written: Option<f64>,
    events: Option<u64>,
    lost: Option<u64>,
}

pub(crate) fn run(lab: &Lab, scale: &Scale) -> Result<Report> {
    let runs = series::in_turn(ARMS.len(), scale.repeats, |arm| ARMS[arm].run(lab));
    let mut report = Report::new(&[
        ("share of a CPU", Unit::Ratio),
        ("bytes drawn per second", Unit::Count),
        ("recorded", Unit::Count),
        ("lost", Unit::Count),
    ]);
    let of = |arm: Arm, number: &dyn Fn(&Run) -> Option<f64>| {
        let place = ARMS.iter().position(|&other| other == arm)?;
        Spread::of(runs[place].as_ref().ok()?.iter().map(number))
    };
    let count = |number: Option<u64>| number.map(|n| n as f64);
    for arm in ARMS {
        let cells =
            [of(arm, &|r| r.cpu), of(arm, &|r| r.written), of(arm, &|r| count(r.events)), of(arm, &|r| count(r.lost))];
        report.row(arm.name(), cells);
    }
    for arm in [Arm::Calm, Arm::Storm] {
        let what = format!("{}: share of a CPU", arm.name());
        report.limit(what, Unit::Ratio, of(arm, &|r| r.cpu), Bound::AtMost(CPU_AT_MOST));
    }
    let alone = of(Arm::RecordedAlone, &|r| count(r.lost));
    let watched = of(Arm::RecordedWatched, &|r| count(r.lost));
    if let Some(alone) = alone {
        let what = "lost by a recording with the screen running";
        report.limit(what, Unit::Count, watched, Bound::AtMost(alone.median));
    }
    match Frames::draw(lab) {
        Ok(frames) => {
            let spread = |ns: f64| Spread::of([Some(ns)]);
            let what = "slowest view: 200x60, 5000 processes, 10000 regions";
            report.limit(what, Unit::Nanoseconds, spread(frames.frame_ns), Bound::AtMost(FRAME_AT_MOST_NS));
            let what = "slowest key, until its frame";
            report.limit(what, Unit::Nanoseconds, spread(frames.key_ns), Bound::AtMost(KEY_AT_MOST_NS));
        }
        Err(error) => report.failed.push(Failed::of(&error)),
    }
    report.failed.extend(runs.iter().filter_map(|run| run.as_ref().err()).map(Failed::of));
    report.notes.push(format!(
        "a screen of {}x{} for {} s; one CPU faults as fast as it can, or none faults",
        SIZE.ws_col,
        SIZE.ws_row,
        MEASURED.as_secs()
    ));
    Ok(report)
}

impl Arm {
    fn name(self) -> &'static str {
        match self {
            Arm::Calm => "top, idle",
            Arm::Storm => "top, fault storm",
            Arm::RecordedWatched => "record, with top running",
            Arm::RecordedAlone => "record alone",
        }
    }

    fn run(self, lab: &Lab) -> Result<Run> {
        self.measured(lab).with_context(|| format!("the arm `{}`", self.name()))
    }

    fn measured(self, lab: &Lab) -> Result<Run> {
        let watched = Watched::start(lab, self != Arm::Calm)?;
        let pid = watched.0.id();
        let screen = (self != Arm::RecordedAlone).then(|| Screen::open(lab, pid)).transpose()?;
        thread::sleep(STARTING);
        let recorded = match self {
            Arm::Calm | Arm::Storm => None,
            Arm::RecordedWatched | Arm::RecordedAlone => Some(record(lab, pid)?),
        };
        let cpu = match (&screen, recorded) {
            (Some(screen), None) => Some(screen.measure()?),
            _ => None,
        };
        let written = screen.map(Screen::close).transpose()?.filter(|_| cpu.is_some());
        let (events, lost) = recorded.unzip();
        Ok(Run { cpu, written, events, lost })
    }
}

/// The traced process; dropping this value ends it.
struct Watched(Child);

impl Watched {
    fn start(lab: &Lab, storm: bool) -> Result<Watched> {
        let mut command = if storm {
            let argv = Workload::new(vec![lab.faulting_cpu()], FOR_EVER).argv(lab);
            let mut command = Command::new(&argv[0]);
            command.args(&argv[1..]);
            command
        } else {
            let mut command = Command::new("sleep");
            command.arg("infinity");
            command
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command::ends_with_this_process(&mut command, Signal::SIGKILL);
        let shown = command::shown(&command);
        Ok(Watched(command.spawn().with_context(|| format!("cannot start `{shown}`"))?))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Fails if the process has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `migtrace top` on its own terminal, whose output is counted and discarded.
struct Screen {
    top: Child,
    terminal: File,
    drain: JoinHandle<u64>,
    began: Instant,
}

impl Screen {
    fn open(lab: &Lab, pid: u32) -> Result<Screen> {
        let pty = openpty(Some(&SIZE), None).context("cannot make a terminal")?;
        let end = |fd: &OwnedFd| fd.try_clone().map(Stdio::from).context("cannot duplicate a terminal");
        let mut top = lab.watching([&lab.tools.migtrace]);
        top.args(["top", "--pid", &pid.to_string()]).env("TERM", "xterm-256color");
        top.stdin(end(&pty.slave)?).stdout(end(&pty.slave)?).stderr(Stdio::null());
        command::ends_with_this_process(&mut top, Signal::SIGTERM);
        let shown = command::shown(&top);
        let child = top.spawn().with_context(|| format!("cannot start `{shown}`"))?;
        drop((top, pty.slave));
        let mut output = File::from(pty.master.try_clone().context("cannot duplicate a terminal")?);
        let drain = thread::spawn(move || {
            let (mut buffer, mut bytes) = ([0; 1 << 16], 0);
            // Reading fails when the last program closes the terminal.
            while let Ok(read @ 1..) = output.read(&mut buffer) {
                bytes += read as u64;
            }
            bytes
        });
        Ok(Screen { top: child, terminal: File::from(pty.master), drain, began: Instant::now() })
    }

    /// Returns the share of a CPU that it uses.
    fn measure(&self) -> Result<f64> {
        let (began, before) = (Instant::now(), cpu_time(self.top.id())?);
        thread::sleep(MEASURED);
        let used = cpu_time(self.top.id())?.saturating_sub(before);
        Ok(used.as_secs_f64() / began.elapsed().as_secs_f64())
    }

    /// Ends it by its own key. Returns the bytes per second that it drew.
    fn close(mut self) -> Result<f64> {
        self.terminal.write_all(b"q").context("cannot type into the terminal")?;
        let status = self.top.wait().context("cannot wait for migtrace top")?;
        ensure!(status.success(), "migtrace top failed: {status}");
        let seconds = self.began.elapsed().as_secs_f64();
        drop(self.terminal);
        let bytes = self.drain.join().map_err(|_| anyhow::anyhow!("reading the terminal failed"))?;
        Ok(bytes as f64 / seconds)
    }
}

/// Records a process for [`MEASURED`]. Returns the events recorded and lost.
fn record(lab: &Lab, pid: u32) -> Result<(u64, u64)> {
    let mut recorder = lab.watching([&lab.tools.migtrace]);
    recorder.args(["record", "--pid", &pid.to_string(), "--output"]).arg(lab.file("top.parquet"));
    recorder.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).env("NO_COLOR", "1");
    command::ends_with_this_process(&mut recorder, Signal::SIGTERM);
    let shown = command::shown(&recorder);
    let child = recorder.spawn().with_context(|| format!("cannot start `{shown}`"))?;
    thread::sleep(MEASURED);
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).with_context(|| format!("cannot end `{shown}`"))?;
    let output = child.wait_with_output().with_context(|| format!("cannot wait for `{shown}`"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    recorded(&stderr).with_context(|| format!("`{shown}` printed no summary: {stderr}"))
}

/// Returns the CPU time of a running process, all threads together.
fn cpu_time(pid: u32) -> Result<Duration> {
    // SAFETY: plain integers, for which zero is a value.
    let (mut clock, mut time): (libc::clockid_t, libc::timespec) = unsafe { mem::zeroed() };
    // SAFETY: both pointers are to valid variables. The process has not been waited for, so its PID is not reused.
    let failed = unsafe {
        libc::clock_getcpuclockid(pid as i32, &raw mut clock) != 0 || libc::clock_gettime(clock, &raw mut time) != 0
    };
    ensure!(!failed, "cannot read the CPU time of process {pid}");
    Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// Output of `bench-replay frame`, which draws without a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
struct Frames {
    /// Median time of the slowest view, ns.
    frame_ns: f64,
    /// Longest time from a key to its frame, ns.
    key_ns: f64,
}

impl Frames {
    fn draw(lab: &Lab) -> Result<Frames> {
        let mut replay = lab.anywhere(&lab.tools.replay);
        replay.arg("frame");
        let used = lab.run(replay, "frame")?;
        serde_json::from_str(&used.stdout).with_context(|| format!("bench-replay printed no figures: {}", used.stdout))
    }
}
