//! Reads the kernel's trace events from ftrace, as text, while a recording runs. This shares no code with migtrace, so
//! tests compare the recording with it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use migtrace::event::Cause;

const INSTANCES: &str = "/sys/kernel/tracing/instances";

/// An ftrace instance that records trace events. Removed on drop.
pub(crate) struct FtraceInstance(PathBuf);

/// A trace event as ftrace printed it.
#[derive(Clone, Debug)]
pub(crate) struct TraceEvent {
    /// The thread in which the event happened.
    pub(crate) tid: u32,
    /// CLOCK_BOOTTIME, in whole microseconds.
    pub(crate) ts_us: u64,
    pub(crate) event: String,
    pub(crate) fields: BTreeMap<String, String>,
}

impl FtraceInstance {
    /// Starts to record these events; a name is for example `migrate/mm_migrate_pages`.
    pub(crate) fn start(events: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("migtrace-test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let instance = Self(Path::new(INSTANCES).join(name));
        fs::create_dir(&instance.0).unwrap();
        fs::write(instance.0.join("trace_clock"), "boot").unwrap();
        for event in events {
            fs::write(instance.0.join("events").join(event).join("enable"), "1").unwrap();
        }
        instance
    }

    /// Stops, and returns all events. Panics if ftrace itself lost events, because then nothing can be compared.
    pub(crate) fn stop(self) -> Vec<TraceEvent> {
        fs::write(self.0.join("tracing_on"), "0").unwrap();
        for cpu in fs::read_dir(self.0.join("per_cpu")).unwrap().flatten() {
            let stats = fs::read_to_string(cpu.path().join("stats")).unwrap();
            let lost = |what: &str| stats.lines().any(|line| line.starts_with(what) && !line.ends_with(": 0"));
            assert!(!lost("overrun") && !lost("dropped events"), "ftrace itself lost events:\n{stats}");
        }
        let text = fs::read_to_string(self.0.join("trace")).unwrap();
        text.lines().filter(|line| !line.starts_with('#')).filter_map(parse).collect()
    }
}

impl Drop for FtraceInstance {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// Parses a line such as
/// `        migtrace-195     [002] .....    16.458803: mm_migrate_pages: nr_succeeded=512 nr_failed=0 ...`.
fn parse(line: &str) -> Option<TraceEvent> {
    let (task, rest) = line.split_once(" [")?;
    let (_, tid) = task.trim_end().rsplit_once('-')?;
    let (before, rest) = rest.split_once(": ")?;
    let (seconds, micros) = before.rsplit(' ').next()?.split_once('.')?;
    let ts_us = seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?;
    let (event, fields) = rest.split_once(": ")?;
    let fields = fields.split(' ').filter_map(|field| field.split_once('='));
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Some(TraceEvent { tid: tid.parse().ok()?, ts_us, event: event.trim().to_owned(), fields })
}

impl TraceEvent {
    pub(crate) fn number(&self, field: &str) -> u64 {
        self.fields[field].parse().unwrap()
    }
}

/// Returns the reason that mm_migrate_pages prints for a cause.
pub(crate) fn reason_of(cause: Cause) -> &'static str {
    match cause {
        Cause::Mbind => "mempolicy_mbind",
        Cause::MovePages | Cause::MigratePages | Cause::Cpuset => "syscall_or_cpuset",
        Cause::HintingFault => "numa_misplaced",
        Cause::Demotion => "demotion",
        Cause::Compaction => "compaction",
        Cause::Hotplug => "memory_hotplug",
        Cause::ContigRange => "contig_range",
        Cause::LongtermPin => "longterm_pin",
        Cause::Damon => "damon",
        Cause::MemoryFailure => "memory_failure",
        Cause::LazyFault | Cause::Other => "none of its own",
    }
}
