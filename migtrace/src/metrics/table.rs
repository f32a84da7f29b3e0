//! Every metric that there is: its name, kind, unit, labels and meaning. docs/serve.md and dashboards/ are held against it.

/// How a metric counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Never falls while `serve` runs.
    Counter,
    Gauge,
    Histogram,
    /// Always 1; its labels say something.
    Info,
}

/// One metric family.
#[derive(Debug)]
pub struct Metric {
    /// The family's name: with the unit, without the suffixes that its samples have.
    pub name: &'static str,
    pub kind: Kind,
    pub unit: Option<&'static str>,
    /// Labels that a sample can have; one whose value the kernel does not show is left out.
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

impl Metric {
    /// Names of its samples.
    #[must_use]
    pub fn samples(&self) -> Vec<String> {
        let suffixes: &[&str] = match self.kind {
            Kind::Counter => &["_total"],
            Kind::Gauge => &[""],
            Kind::Histogram => &["_bucket", "_sum", "_count"],
            Kind::Info => &["_info"],
        };
        suffixes.iter().map(|suffix| format!("{}{suffix}", self.name)).collect()
    }

    /// Its name without the unit.
    pub(super) fn stem(&self) -> &'static str {
        let stem = self.unit.and_then(|unit| self.name.strip_suffix(unit)?.strip_suffix('_'));
        stem.unwrap_or(self.name)
    }
}

macro_rules! metrics {
    ($($constant:ident: $kind:ident $name:literal [$($unit:literal)?] ($($label:literal),*) $help:literal;)*) => {
        $(pub(super) static $constant: Metric = Metric {
            name: concat!($name $(, "_", $unit)?),
            kind: Kind::$kind,
            unit: metrics!(@unit $($unit)?),
            labels: &[$($label),*],
            help: $help,
        };)*

        /// All of them, in the order in which they are printed.
        pub static METRICS: &[&Metric] = &[$(&$constant),*];
    };
    (@unit) => { None };
    (@unit $unit:literal) => { Some($unit) };
}

metrics! {
    FAULTS: Counter "migtrace_faults" [] ("class", "major", "result", "cpu_node", "node")
        "User page faults, by the node of the CPU and the node of the page afterwards";
    FAULT_LATENCY: Histogram "migtrace_fault_latency" ["seconds"] ("class", "place")
        "Time in user page faults; place says whether the page is on the CPU's node (local) or another (remote)";
    CHECKS: Counter "migtrace_checks" [] ("verdict", "reason", "src_node", "dst_node")
        "Folios checked against memory policy, in NUMA hinting faults and by migrate-on-fault";
    CHECKED_PAGES: Counter "migtrace_checked" ["pages"] ("verdict", "reason", "src_node", "dst_node")
        "Pages of the folios that were checked";
    MARKS: Counter "migtrace_marks" [] ("result", "reason", "node")
        "Folios unmapped for lazy migration, or that could not be";
    MARKED_PAGES: Counter "migtrace_marked" ["pages"] ("result", "reason", "node")
        "Pages of the folios that were marked";
    MIGRATIONS: Counter "migtrace_migrations" [] ("cause", "result", "reason", "src_node", "dst_node")
        "Folios that moved to another node, or did not";
    MIGRATION_PAGES: Counter "migtrace_migration" ["pages"] ("cause", "result", "reason", "src_node", "dst_node")
        "Pages of the folios that moved, or did not";
    MIGRATION_LATENCY: Histogram "migtrace_migration_latency" ["seconds"] ("cause", "result", "src_node", "dst_node")
        "Time in which a thread that touches the folio has to wait for its move";
    BATCHES: Counter "migtrace_batches" [] ("cause", "mode")
        "Runs of the kernel's migrate_pages(), and of lazy marking (mode lazy)";
    BATCH_PAGES: Counter "migtrace_batch" ["pages"] ("cause", "mode", "result")
        "Pages that these runs moved or marked (ok), found freed before their turn (freed), or could not move (failed)";
    BATCH_LATENCY: Histogram "migtrace_batch_latency" ["seconds"] ("cause", "mode")
        "Time of these runs";
    REQUESTS: Counter "migtrace_requests" [] ("name", "result")
        "Placement system calls, by what they returned: ok, partial (some pages stayed), or the error's name";
    REQUEST_LATENCY: Histogram "migtrace_request_latency" ["seconds"] ("name")
        "Time in placement system calls";
    CGROUP_FAULTS: Counter "migtrace_cgroup_faults" [] ("cgroup")
        "User page faults of the cgroup's processes; cgroup other: of all cgroups without series of their own";
    CGROUP_REMOTE: Counter "migtrace_cgroup_remote_faults" [] ("cgroup")
        "Those whose page is on another node than the CPU";
    CGROUP_SECONDS: Counter "migtrace_cgroup_fault" ["seconds"] ("cgroup")
        "Time of the cgroup's processes in page faults";
    CGROUP_MISPLACED: Counter "migtrace_cgroup_misplaced_checks" [] ("cgroup")
        "Checks in which a folio of the cgroup's processes was on another node than policy wants";
    CGROUP_MOVED: Counter "migtrace_cgroup_moved" ["pages"] ("cgroup")
        "Pages that the cgroup's processes moved, or had moved in their faults";
    CGROUP_FAILED: Counter "migtrace_cgroup_failed" ["pages"] ("cgroup")
        "Pages that were to move so and did not";
    CGROUPS: Gauge "migtrace_cgroups" [] ("shown")
        "Cgroups that were seen: with series of their own (own), in other, or in it and forgotten since their processes ended";
    SEEN: Counter "migtrace_probe_events_seen" [] ("probe")
        "Events that the probe's programs saw and that were to become a record: stored or lost";
    STORED: Counter "migtrace_probe_events_stored" [] ("probe")
        "Events that became a record";
    LOST: Counter "migtrace_probe_events_lost" [] ("probe", "cause")
        "Events that no number here holds, or not whole: by cause, also when 0";
    COUNTED: Counter "migtrace_probe_events_counted" [] ("probe")
        "Events that were counted in the kernel and needed no record";
    FILTERED: Counter "migtrace_probe_events_filtered" [] ("probe")
        "Events that were of no interest";
    MISSED: Counter "migtrace_probe_runs_missed" [] ("probe")
        "Times that the kernel did not run a program because it ran on that CPU already: what it would have seen is in no number";
    UNREADABLE: Counter "migtrace_unreadable_events" [] ()
        "Events counted in the kernel under numbers that mean nothing to this migtrace";
    PROBE_ATTACHED: Gauge "migtrace_probe_attached" [] ("probe", "field", "hook", "fidelity")
        "Whether a probe, or the hook that gives a field of its events, is attached";
    VIEW: Gauge "migtrace_view_fidelity" [] ("view", "fidelity")
        "What can be answered on this host: 1 for the fidelity that the view has here, 0 for the others";
    PROGRAM_RUNS: Counter "migtrace_program_measured_runs" [] ("program")
        "Runs of a BPF program while the kernel measured the programs";
    PROGRAM_SECONDS: Counter "migtrace_program_measured" ["seconds"] ("program")
        "Time in a BPF program while the kernel measured the programs";
    MEASURING: Counter "migtrace_measuring" ["seconds"] ()
        "Time in which the kernel measured the programs: divide by it, for they are measured a small part of the time";
    READER_CPU: Counter "migtrace_reader_cpu" ["seconds"] ()
        "CPU time of the thread that reads the rings";
    REFRESHES: Counter "migtrace_refreshes" [] ()
        "Times that all counts were read from the kernel";
    REFRESH_SECONDS: Counter "migtrace_refresh" ["seconds"] ()
        "Time that reading them took";
    NODE_MEMORY: Gauge "migtrace_node_memory" ["bytes"] ("node")
        "Memory of a node";
    BUILD: Info "migtrace_build" [] ("version")
        "The migtrace that serves";
    HOST: Info "migtrace_host" [] ("kernel", "migrate_on_fault", "machine")
        "The kernel, whether it has migrate-on-fault, and what emulates or virtualises the machine";
    CPU: Counter "process_cpu" ["seconds"] ()
        "CPU time of this process, all threads";
    MEMORY: Gauge "process_resident_memory" ["bytes"] ()
        "Resident memory of this process";
    START: Gauge "process_start_time" ["seconds"] ()
        "When this process started, in seconds since 1970";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_openmetrics_names_and_different() {
        let mut names = BTreeSet::new();
        for metric in METRICS {
            assert!(names.insert(metric.name), "{}", metric.name);
            assert!(metric.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", metric.name);
            assert!(!metric.name.ends_with("_total") && !metric.name.ends_with("_info"), "{}", metric.name);
            assert!(!metric.help.ends_with('.') && !metric.help.is_empty(), "{}", metric.name);
            let latency = metric.name.contains("latency");
            assert_eq!(latency, metric.kind == Kind::Histogram, "{}", metric.name);
        }
        assert_eq!(FAULT_LATENCY.stem(), "migtrace_fault_latency");
        assert_eq!(FAULT_LATENCY.samples()[0], "migtrace_fault_latency_seconds_bucket");
        assert_eq!(MIGRATION_PAGES.samples(), ["migtrace_migration_pages_total"]);
    }

    /// docs/serve.md describes each metric in a row of its table.
    #[test]
    fn every_metric_is_documented() {
        let docs = include_str!("../../../docs/serve.md");
        for metric in METRICS {
            let name = if metric.kind == Kind::Histogram { metric.name.to_owned() } else { metric.samples().remove(0) };
            let row = docs.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
            let row = row.unwrap_or_else(|| panic!("docs/serve.md has no row for {name}"));
            for label in metric.labels {
                assert!(row.contains(&format!("`{label}`")), "docs/serve.md: {name} without its label {label}");
            }
        }
        let rows = docs.lines().filter(|line| line.starts_with("| `migtrace_") || line.starts_with("| `process_"));
        assert_eq!(rows.count(), METRICS.len(), "docs/serve.md has rows of metrics that are no more");
    }
}
