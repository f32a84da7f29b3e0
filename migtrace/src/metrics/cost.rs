//! Metrics of overhead, build and host.

use std::{collections::BTreeMap, time::Duration};

use super::{
    family::{Families, Labels, Value, labels},
    table,
    text::seconds,
};
use crate::{
    event::Probe,
    recording::{Meta, ProgramCost},
};

/// Overhead of `serve` so far; `None` if unknown.
#[derive(Clone, Debug, Default)]
pub struct Cost {
    pub programs: Vec<ProgramCost>,
    /// Missed program runs, by probe.
    pub missed: BTreeMap<Probe, u64>,
    /// Time during which the kernel measured the programs.
    pub measured: Duration,
    pub reader_cpu_ns: Option<u64>,
    pub process_cpu_ns: Option<u64>,
    pub resident_bytes: Option<u64>,
    /// Start time, seconds since 1970.
    pub started_s: Option<f64>,
    /// How often all counts were read, and how long that took.
    pub refreshes: u64,
    pub refresh: Duration,
}

pub(super) fn fill(families: &mut Families, cost: &Cost, meta: &Meta) {
    for program in &cost.programs {
        let by = || Labels::from([("program", program.name.clone())]);
        // A program without measured runs either did not run or was not measured.
        if let Some((runs, ns)) = program.run_count.zip(program.run_ns) {
            families.set(&table::PROGRAM_RUNS, by(), Value::Whole(runs));
            families.set(&table::PROGRAM_SECONDS, by(), Value::Fraction(seconds(ns)));
        }
    }
    let fractions = [
        (&table::MEASURING, Some(cost.measured.as_secs_f64())),
        (&table::READER_CPU, cost.reader_cpu_ns.map(seconds)),
        (&table::REFRESH_SECONDS, Some(cost.refresh.as_secs_f64())),
        (&table::CPU, cost.process_cpu_ns.map(seconds)),
        (&table::START, cost.started_s),
    ];
    for (metric, value) in fractions {
        if let Some(value) = value {
            families.set(metric, Labels::new(), Value::Fraction(value));
        }
    }
    families.set(&table::REFRESHES, Labels::new(), Value::Whole(cost.refreshes));
    if let Some(bytes) = cost.resident_bytes {
        families.set(&table::MEMORY, Labels::new(), Value::Whole(bytes));
    }
    families.set(&table::BUILD, labels([("version", Some(meta.migtrace_version.clone()))]), Value::Nothing);
    let host = labels([
        ("kernel", Some(meta.kernel_release.clone())),
        ("migrate_on_fault", Some(meta.kernel_patched.to_string())),
        ("machine", meta.machine.clone()),
    ]);
    families.set(&table::HOST, host, Value::Nothing);
}
