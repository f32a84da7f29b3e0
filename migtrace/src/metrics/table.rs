//! The table of metrics: name, kind, unit, labels and help. Tests compare docs/serve.md and dashboards/ with it.

/// Type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Never falls while `serve` runs.
    Counter,
    Gauge,
    Histogram,
    /// Always 1; the labels carry the information.
    Info,
}

/// One metric family.
#[derive(Debug)]
pub struct Metric {
    /// Name of the family: with the unit, without the suffixes of its samples.
    pub name: &'static str,
    pub kind: Kind,
    pub unit: Option<&'static str>,
    /// Labels of its samples. A label whose value is unknown is omitted.
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

        /// All metrics, in output order.
        pub static METRICS: &[&Metric] = &[$(&$constant),*];
    };
    (@unit) => { None };
    (@unit $unit:literal) => { Some($unit) };
}

metrics! {
    FAULTS: Counter "migtrace_faults" [] ("class", "major", "result", "cpu_node", "node")
        "User page faults, by node of the CPU and node of the page after the fault";
    FAULT_LATENCY: Histogram "migtrace_fault_latency" ["seconds"] ("class", "place")
        "Duration of user page faults; place: the page is on the node of the CPU (local) or on another (remote)";
    WAITS: Counter "migtrace_migration_waits" [] ("cause")
        "User page faults that waited for a page that was being migrated, by cause of the migration";
    WAIT_SECONDS: Counter "migtrace_migration_wait" ["seconds"] ("cause")
        "Time in user page faults that waited for a page that was being migrated";
    CHECKS: Counter "migtrace_checks" [] ("verdict", "reason", "src_node", "dst_node")
        "Folios checked against memory policy, in NUMA hinting faults and by migrate-on-fault";
    CHECKED_PAGES: Counter "migtrace_checked" ["pages"] ("verdict", "reason", "src_node", "dst_node")
        "Pages of checked folios";
    MARKS: Counter "migtrace_marks" [] ("result", "reason", "node")
        "Lazy marks: folios unmapped for lazy migration, successful or failed";
    MARKED_PAGES: Counter "migtrace_marked" ["pages"] ("result", "reason", "node")
        "Pages of marked folios";
    MIGRATIONS: Counter "migtrace_migrations" [] ("cause", "result", "reason", "src_node", "dst_node")
        "Folio migrations, successful or failed";
    MIGRATION_PAGES: Counter "migtrace_migration" ["pages"] ("cause", "result", "reason", "src_node", "dst_node")
        "Pages of folio migrations, successful or failed";
    MIGRATION_LATENCY: Histogram "migtrace_migration_latency" ["seconds"] ("cause", "result", "src_node", "dst_node")
        "Time for which a migrating folio is inaccessible; a thread that touches it waits";
    BATCHES: Counter "migtrace_batches" [] ("cause", "mode")
        "Runs of the kernel's migrate_pages(), and of lazy marking (mode lazy)";
    BATCH_PAGES: Counter "migtrace_batch" ["pages"] ("cause", "mode", "result")
        "Pages of batches by result: migrated or marked (ok), freed before migration (freed), neither (failed)";
    BATCH_LATENCY: Histogram "migtrace_batch_latency" ["seconds"] ("cause", "mode")
        "Duration of batches";
    REQUESTS: Counter "migtrace_requests" [] ("name", "result")
        "Placement syscalls by result: ok, partial (some pages not migrated), or the name of the error";
    REQUEST_LATENCY: Histogram "migtrace_request_latency" ["seconds"] ("name")
        "Duration of placement syscalls";
    CGROUP_FAULTS: Counter "migtrace_cgroup_faults" [] ("cgroup")
        "User page faults of the cgroup; cgroup other: the sum of all cgroups without a series of their own";
    CGROUP_REMOTE: Counter "migtrace_cgroup_remote_faults" [] ("cgroup")
        "User page faults of the cgroup whose page is on another node than the CPU";
    CGROUP_SECONDS: Counter "migtrace_cgroup_fault" ["seconds"] ("cgroup")
        "Time of the cgroup in user page faults";
    CGROUP_WAITS: Counter "migtrace_cgroup_migration_waits" [] ("cgroup")
        "User page faults of the cgroup that waited for a page that was being migrated";
    CGROUP_WAIT_SECONDS: Counter "migtrace_cgroup_migration_wait" ["seconds"] ("cgroup")
        "Time of the cgroup in user page faults that waited for a page that was being migrated";
    CGROUP_MISPLACED: Counter "migtrace_cgroup_misplaced_checks" [] ("cgroup")
        "Checks of the cgroup that found a misplaced folio";
    CGROUP_MOVED: Counter "migtrace_cgroup_moved" ["pages"] ("cgroup")
        "Pages migrated by tasks of the cgroup, in syscalls or page faults";
    CGROUP_FAILED: Counter "migtrace_cgroup_failed" ["pages"] ("cgroup")
        "Pages that tasks of the cgroup failed to migrate";
    CGROUPS: Gauge "migtrace_cgroups" [] ("shown")
        "Cgroups seen: with their own series (own), summed in other (other), or evicted from it after exit (forgotten)";
    SEEN: Counter "migtrace_probe_events_seen" [] ("probe")
        "Events seen by the probe that need a record: seen = stored + lost";
    STORED: Counter "migtrace_probe_events_stored" [] ("probe")
        "Events stored as records";
    LOST: Counter "migtrace_probe_events_lost" [] ("probe", "cause")
        "Events lost by cause; 0 for a cause without losses";
    COUNTED: Counter "migtrace_probe_events_counted" [] ("probe")
        "Events aggregated only: counted in the kernel, without a record";
    FILTERED: Counter "migtrace_probe_events_filtered" [] ("probe")
        "Events excluded by a filter";
    MISSED: Counter "migtrace_probe_runs_missed" [] ("probe")
        "Runs of BPF programs that the kernel skipped because the program was already running on that CPU; no metric has their events";
    UNREADABLE: Counter "migtrace_unreadable_events" [] ()
        "Events with enum values that this version does not know";
    PROBE_ATTACHED: Gauge "migtrace_probe_attached" [] ("probe", "field", "hook", "fidelity")
        "1 if the probe, or the hook for one field of its events, is attached; otherwise 0";
    VIEW: Gauge "migtrace_view_fidelity" [] ("view", "fidelity")
        "Fidelity of each view on this host: 1 for the current one, 0 for the others";
    PROGRAM_RUNS: Counter "migtrace_program_measured_runs" [] ("program")
        "Runs of a BPF program while the kernel measured the programs";
    PROGRAM_SECONDS: Counter "migtrace_program_measured" ["seconds"] ("program")
        "Time in a BPF program while the kernel measured the programs";
    MEASURING: Counter "migtrace_measuring" ["seconds"] ()
        "Total time during which the kernel measured the programs; for rates, divide measured runs or seconds by it";
    READER_CPU: Counter "migtrace_reader_cpu" ["seconds"] ()
        "CPU time of the thread that reads the rings";
    REFRESHES: Counter "migtrace_refreshes" [] ()
        "Number of reads of all counts from the kernel";
    REFRESH_SECONDS: Counter "migtrace_refresh" ["seconds"] ()
        "Time spent reading all counts from the kernel";
    NODE_MEMORY: Gauge "migtrace_node_memory" ["bytes"] ("node")
        "Total memory of the node; 0: it has none";
    NODE_FREE: Gauge "migtrace_node_memory_free" ["bytes"] ("node")
        "Free memory of the node";
    NODE_CPUS: Gauge "migtrace_node_cpus" [] ("node")
        "CPUs of the node that are online; 0: it has none";
    NODE_TIER: Gauge "migtrace_node_memory_tier" [] ("node")
        "Memory tier of the node; a lower one is faster";
    NUMA_HIT: Counter "migtrace_node_numa_hit" ["pages"] ("node")
        "Pages allocated on the node as wanted, since boot (numastat)";
    NUMA_MISS: Counter "migtrace_node_numa_miss" ["pages"] ("node")
        "Pages allocated on the node and wanted on another, since boot (numastat)";
    NUMA_FOREIGN: Counter "migtrace_node_numa_foreign" ["pages"] ("node")
        "Pages wanted on the node and allocated on another, since boot (numastat)";
    INTERLEAVE_HIT: Counter "migtrace_node_interleave_hit" ["pages"] ("node")
        "Pages wanted on the node by interleaving and allocated on it, since boot (numastat)";
    LOCAL_NODE: Counter "migtrace_node_local_node" ["pages"] ("node")
        "Pages allocated on the node by one of its CPUs, since boot (numastat)";
    OTHER_NODE: Counter "migtrace_node_other_node" ["pages"] ("node")
        "Pages allocated on the node by a CPU of another, since boot (numastat)";
    BUILD: Info "migtrace_build" [] ("version")
        "Version of migtrace";
    HOST: Info "migtrace_host" [] ("kernel", "migrate_on_fault", "machine")
        "Kernel release, whether it has migrate-on-fault, and the hypervisor or emulator";
    CPU: Counter "process_cpu" ["seconds"] ()
        "CPU time of this process, all threads";
    MEMORY: Gauge "process_resident_memory" ["bytes"] ()
        "Resident memory of this process";
    START: Gauge "process_start_time" ["seconds"] ()
        "Start time of this process, in seconds since 1970";
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
        assert_eq!(rows.count(), METRICS.len(), "docs/serve.md has rows of metrics that do not exist");
    }
}
