//! The arms: migtrace and other tracers of a workload's page faults.

mod bpftrace;
mod floor;
mod migtrace;
pub(crate) mod perf;

pub(crate) use self::migtrace::recorded;
use anyhow::{Context, Result, ensure};
use bench_workloads::Touched;

use crate::{lab::Lab, spread::median, workload::Workload};

/// What traces the workload: an arm of a bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watcher {
    Untraced,
    /// One program that returns at once.
    Empty,
    /// Two programs that return at once, at the start and the end of a fault.
    EmptyPair,
    /// A program that stores a record in a ring; a process reads the records and discards them.
    HandFloor,
    BpftraceCount,
    Perf,
    /// perf with compression.
    PerfZ,
    Migtrace,
    /// migtrace, which records another process.
    MigtraceElsewhere,
}

/// The measurements of one run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) touched: Vec<Touched>,
    /// Events that the watcher kept and lost; `None` if it keeps no count of events.
    pub(crate) kept: Option<Kept>,
    /// CPU time of the watcher itself, ns, including its start and end.
    pub(crate) watcher_cpu_ns: u64,
}

/// Events that a watcher kept and lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) events: u64,
    pub(crate) lost: u64,
    /// Size of its file.
    pub(crate) bytes: Option<u64>,
}

impl Watcher {
    /// Returns its name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Watcher::Untraced => "nothing attached",
            Watcher::Empty => "empty BPF program",
            Watcher::EmptyPair => "empty begin and end",
            Watcher::HandFloor => "hand floor",
            Watcher::BpftraceCount => "bpftrace count()",
            Watcher::Perf => "perf record",
            Watcher::PerfZ => "perf record -z",
            Watcher::Migtrace => "migtrace record",
            Watcher::MigtraceElsewhere => "filtered by migtrace",
        }
    }

    /// Runs the workload once with this tracer.
    pub(crate) fn run(self, lab: &Lab, workload: &Workload) -> Result<Run> {
        let run = || match self {
            Watcher::Untraced => untraced(lab, workload),
            Watcher::Empty => floor::run(lab, workload, floor::Program::Empty),
            Watcher::EmptyPair => floor::run(lab, workload, floor::Program::EmptyPair),
            Watcher::HandFloor => floor::run(lab, workload, floor::Program::Store),
            Watcher::BpftraceCount => bpftrace::run(lab, workload),
            Watcher::Perf => perf::run(lab, workload, false),
            Watcher::PerfZ => perf::run(lab, workload, true),
            Watcher::Migtrace => migtrace::run(lab, workload),
            Watcher::MigtraceElsewhere => migtrace::run_elsewhere(lab, workload),
        };
        run().with_context(|| format!("the arm `{}`", self.name()))
    }

    /// Measures the CPU time, ns, to start and end without an event of the workload.
    pub(crate) fn idle_cpu_ns(self, lab: &Lab) -> Result<u64> {
        match self {
            Watcher::Perf => perf::idle(lab, false),
            Watcher::PerfZ => perf::idle(lab, true),
            Watcher::Migtrace => migtrace::idle(lab),
            _ => anyhow::bail!("the arm `{}` has no idle run", self.name()),
        }
    }
}

impl Kept {
    /// Returns an error if some faults are neither kept nor lost: the tracer did not see them.
    fn covering(self, faults: u64) -> Result<Kept> {
        ensure!(
            self.events + self.lost >= faults,
            "{} events kept and {} lost of {faults} faults: the tracer did not see all faults",
            self.events,
            self.lost
        );
        Ok(self)
    }
}

impl Run {
    fn new(used: &crate::lab::Used, touched: Vec<Touched>, kept: Option<Kept>) -> Run {
        let own: u64 = touched.iter().map(|one| one.process_cpu_ns).sum();
        Run { touched, kept, watcher_cpu_ns: (used.cpu.as_nanos() as u64).saturating_sub(own) }
    }

    /// Returns the wall time per fault, ns: the median over all rounds of all CPUs.
    pub(crate) fn wall_ns(&self) -> Option<f64> {
        self.per_fault(|round| round.wall_ns)
    }

    /// Returns the CPU time of the faulting thread per fault, ns: the median over all rounds of all CPUs.
    pub(crate) fn cpu_ns(&self) -> Option<f64> {
        self.per_fault(|round| round.cpu_ns)
    }

    fn per_fault(&self, time: impl Fn(&bench_workloads::Round) -> u64) -> Option<f64> {
        let of = |one: &Touched| {
            let pages = one.pages as f64;
            one.rounds.iter().map(|round| time(round) as f64 / pages).collect::<Vec<_>>()
        };
        median(&self.touched.iter().flat_map(of).collect::<Vec<_>>())
    }

    /// Returns the share of the time in which the faulting thread had no CPU, because another program took it. `None`
    /// if several CPUs fault: the tracer needs one of them then.
    pub(crate) fn share_waited(&self) -> Option<f64> {
        let [_] = self.touched[..] else { return None };
        let rounds = self.touched.iter().flat_map(|one| &one.rounds);
        let (wall, cpu) =
            rounds.fold((0, 0), |(wall, cpu), round| (wall + round.wall_ns, cpu + round.cpu_ns.min(round.wall_ns)));
        (wall > 0).then(|| (wall - cpu) as f64 / wall as f64)
    }
}

fn untraced(lab: &Lab, workload: &Workload) -> Result<Run> {
    let used = lab.run(lab.watching(workload.argv(lab)), "untraced")?;
    Ok(Run::new(&used, workload.touched(lab)?, None))
}
