//! Requirements of tests. A test whose machine does not meet them is skipped, with the reason.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

/// Ends the test as skipped, unless the machine meets all of these requirements.
macro_rules! needs {
    ($($need:ident),+) => {
        $(if let Some(lack) = crate::requirements::$need() {
            return crate::requirements::skip(lack);
        })+
    };
}

pub(crate) use needs;

/// Prints after the test's name why the test is skipped; `cargo xtask test` counts these lines. Not by println!:
/// libtest captures that, and does not show it for a test that passes.
pub(crate) fn skip(lack: &str) {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "skipped: needs {lack}").and_then(|()| stdout.flush()).unwrap();
}

/// Returns the name of a requirement that is not met.
fn lacks(what: &'static str, is_met: bool) -> Option<&'static str> {
    (!is_met).then_some(what)
}

/// Returns the version of the running kernel.
pub(crate) fn kernel() -> (u32, u32) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split('.').map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// Returns an online node that has memory and no CPU.
pub(crate) fn memory_only() -> Option<i32> {
    let nodes = fs::read_dir("/sys/devices/system/node").ok()?.flatten();
    let read = |path: &Path, name: &str| fs::read_to_string(path.join(name)).unwrap_or_default();
    let has_memory = |path: &Path| !read(path, "meminfo").contains("MemTotal:              0 kB");
    let found = nodes.filter_map(|entry| {
        let nid = entry.file_name().to_str()?.strip_prefix("node")?.parse().ok()?;
        (read(&entry.path(), "cpulist").trim().is_empty() && has_memory(&entry.path())).then_some(nid)
    });
    found.max()
}

pub(crate) fn memory_only_node() -> Option<&'static str> {
    lacks("a node with memory only", memory_only().is_some())
}

pub(crate) fn migrate_on_fault() -> Option<&'static str> {
    lacks("migrate-on-fault", Path::new("/proc/sys/vm/migrate_on_fault").exists())
}

pub(crate) fn huge_pages() -> Option<&'static str> {
    let enabled = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    lacks("transparent huge pages", enabled.contains("[madvise]") || enabled.contains("[always]"))
}

/// A function that page faults call to wait for the lock of shared memory. Before Linux 6.4, compilers inline it.
pub(crate) fn lock_of_shared_memory() -> Option<&'static str> {
    lacks("a call for the lock of shared memory", kernel() >= (6, 4))
}

/// MADV_COLLAPSE.
pub(crate) fn collapse() -> Option<&'static str> {
    lacks("MADV_COLLAPSE", kernel() >= (6, 1))
}

pub(crate) fn ksm() -> Option<&'static str> {
    lacks("KSM", Path::new("/sys/kernel/mm/ksm/run").exists())
}

/// Two memory tiers. With CONFIG_ACPI_HMAT, Linux 6.12 assigns a node that the firmware describes as slow to a lower
/// tier. 6.8 does so only for hotplugged memory, and earlier versions only for persistent memory.
pub(crate) fn two_tiers() -> Option<&'static str> {
    let tiers = fs::read_dir("/sys/devices/virtual/memory_tiering").into_iter().flatten().flatten();
    let tiers = tiers.filter(|entry| entry.path().join("nodelist").exists()).count();
    lacks("two memory tiers", tiers > 1 && Path::new("/sys/kernel/mm/numa/demotion_enabled").exists())
}

/// DAMON that migrates pages (DAMOS actions migrate_hot and migrate_cold, since Linux 6.11), set up by sysfs.
pub(crate) fn damon_migrations() -> Option<&'static str> {
    let has_sysfs = Path::new("/sys/kernel/mm/damon/admin/kdamonds").exists();
    lacks("DAMON that migrates pages", has_sysfs && kernel() >= (6, 11))
}

/// Swap on zram. The virtual machine has it if both are built into the kernel.
pub(crate) fn zsmalloc() -> Option<&'static str> {
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    lacks("swap on zram", swaps.contains("/dev/zram"))
}

/// Blocks of memory that can go offline (CONFIG_MEMORY_HOTREMOVE).
pub(crate) fn memory_blocks() -> Option<&'static str> {
    lacks("blocks of memory that go offline", Path::new("/sys/devices/system/memory").exists())
}

/// Contiguous memory areas that tests can allocate by name (CONFIG_CMA_DEBUGFS).
pub(crate) fn contiguous_ranges() -> Option<&'static str> {
    lacks("a contiguous memory area", fs::read_dir(CMA).is_ok_and(|areas| areas.count() > 0))
}

pub(crate) const CMA: &str = "/sys/kernel/debug/cma";

/// Kprobes (CONFIG_KPROBE_EVENTS), and BPF programs on kprobes and tracepoints that may allocate memory, which counting
/// needs (since Linux 6.1).
pub(crate) fn kprobes_that_allocate() -> Option<&'static str> {
    let symbols = fs::read_to_string("/proc/kallsyms").unwrap();
    let is_met =
        Path::new(migtrace::live::host::requirements::KPROBES).exists() && symbols.contains(" bpf_mem_alloc_init\n");
    lacks("kprobes that may allocate memory", is_met)
}

/// Pages whose memory is taken out of use (CONFIG_MEMORY_FAILURE).
pub(crate) fn memory_failure() -> Option<&'static str> {
    lacks("soft offline of pages", Path::new("/proc/sys/vm/memory_failure_recovery").exists())
}

/// A kernel on which the next PID can be chosen, by /proc.
pub(crate) fn choosable_pids() -> Option<&'static str> {
    lacks("CONFIG_CHECKPOINT_RESTORE", Path::new("/proc/sys/kernel/ns_last_pid").exists())
}

/// A memory controller that cgroup v1 can have (before Linux 6.11, or with CONFIG_MEMCG_V1).
pub(crate) fn memory_of_cgroup_v1() -> Option<&'static str> {
    lacks(
        "a memory controller of cgroup v1",
        fs::read_to_string("/proc/kallsyms").unwrap().contains(" mem_cgroup_legacy_files\n"),
    )
}

/// CPUs that go offline (CONFIG_HOTPLUG_CPU).
pub(crate) fn cpu_hotplug() -> Option<&'static str> {
    lacks("CPUs that go offline", Path::new(crate::hotplug::ONLINE).exists())
}

/// A machine into which memory can be plugged (CONFIG_ACPI_HOTPLUG_MEMORY).
pub(crate) fn pluggable_memory() -> Option<&'static str> {
    let symbols = fs::read_to_string("/proc/kallsyms").unwrap();
    let is_met = crate::zz_hot_node::port().is_some() && symbols.contains(" acpi_memory_device_add\n");
    lacks("memory that can be plugged", is_met)
}

/// A machine into which a CPU can be plugged. Linux 6.12 and later ignore, in an emulated machine, CPUs that are not present at
/// boot.
pub(crate) fn pluggable_cpu() -> Option<&'static str> {
    let possible = fs::read_to_string("/sys/devices/system/cpu/possible").unwrap();
    let possible: migtrace::event::NodeMask = possible.trim().parse().unwrap();
    lacks("a CPU that can be plugged", possible.nodes().contains(&crate::zz_hot_node::CPU))
}

/// A kernel with lockdown. It has a file in securityfs.
pub(crate) fn lockdown() -> Option<&'static str> {
    lacks("lockdown", Path::new(LOCKDOWN).exists())
}

pub(crate) const LOCKDOWN: &str = "/sys/kernel/security/lockdown";

/// Returns whether the kernel is locked down in the strictest mode.
pub(crate) fn is_locked_down() -> bool {
    fs::read_to_string(LOCKDOWN).is_ok_and(|modes| modes.contains("[confidentiality]"))
}

/// A kernel with bpf_rdonly_cast(), since Linux 6.2.
pub(crate) fn plain_loads() -> Option<&'static str> {
    let symbols = fs::read_to_string("/proc/kallsyms").unwrap();
    lacks("bpf_rdonly_cast()", symbols.contains(" bpf_rdonly_cast\n"))
}

/// Set by `cargo xtask test`: the directory of Prometheus' programs.
pub(crate) const PROMETHEUS: &str = "MIGTRACE_PROMETHEUS";

pub(crate) fn prometheus() -> Option<&'static str> {
    lacks("Prometheus", std::env::var_os(PROMETHEUS).is_some())
}
