//! What a test needs of the machine, and that it says so where the machine does not have it.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

/// Ends the test, as skipped, unless the machine has all of these.
macro_rules! needs {
    ($($need:ident),+) => {
        $(if let Some(lack) = crate::requirements::$need() {
            return crate::requirements::skip(lack);
        })+
    };
}

pub(crate) use needs;

/// Says behind the test's name why it does not run; `cargo xtask test` counts that. Written past libtest, which keeps the
/// output of tests that pass to itself.
pub(crate) fn skip(lack: &str) {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "skipped: needs {lack}").and_then(|()| stdout.flush()).unwrap();
}

fn lacks(what: &'static str, there: bool) -> Option<&'static str> {
    (!there).then_some(what)
}

/// Version of the running kernel.
pub(crate) fn kernel() -> (u32, u32) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split('.').map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

pub(crate) fn migrate_on_fault() -> Option<&'static str> {
    lacks("migrate-on-fault", Path::new("/proc/sys/vm/migrate_on_fault").exists())
}

pub(crate) fn huge_pages() -> Option<&'static str> {
    let enabled = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    lacks("transparent huge pages", enabled.contains("[madvise]") || enabled.contains("[always]"))
}

/// Linux makes a lower tier of a node that the firmware calls slow with CONFIG_ACPI_HMAT; 6.12 does, 6.8 does it for memory
/// that is plugged in later only. Before, of persistent memory only.
pub(crate) fn two_tiers() -> Option<&'static str> {
    let tiers = fs::read_dir("/sys/devices/virtual/memory_tiering").into_iter().flatten().flatten();
    let tiers = tiers.filter(|entry| entry.path().join("nodelist").exists()).count();
    lacks("two memory tiers", tiers > 1 && Path::new("/sys/kernel/mm/numa/demotion_enabled").exists())
}

/// Swap on zram, as the machine has it where the kernel has both built in.
pub(crate) fn zsmalloc() -> Option<&'static str> {
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    lacks("swap on zram", swaps.contains("/dev/zram"))
}

/// Blocks of memory that can go offline (CONFIG_MEMORY_HOTREMOVE).
pub(crate) fn memory_blocks() -> Option<&'static str> {
    lacks("blocks of memory that go offline", Path::new("/sys/devices/system/memory").exists())
}

/// Contiguous ranges that are allocated by name (CONFIG_CMA_DEBUGFS).
pub(crate) fn contiguous_ranges() -> Option<&'static str> {
    lacks("a contiguous memory area", fs::read_dir(CMA).is_ok_and(|areas| areas.count() > 0))
}

pub(crate) const CMA: &str = "/sys/kernel/debug/cma";

/// Kprobes (CONFIG_KPROBE_EVENTS) and trace events whose programs may take memory, as counting does (since Linux 6.1).
pub(crate) fn other_ways() -> Option<&'static str> {
    let symbols = fs::read_to_string("/proc/kallsyms").unwrap();
    let there =
        Path::new(migtrace::live::host::requirements::KPROBES).exists() && symbols.contains(" bpf_mem_alloc_init\n");
    lacks("kprobes that may take memory", there)
}

/// Asks /proc for the next process's number.
pub(crate) fn choosable_pids() -> Option<&'static str> {
    lacks("CONFIG_CHECKPOINT_RESTORE", Path::new("/proc/sys/kernel/ns_last_pid").exists())
}

/// A kernel that can be locked down, which says so in securityfs.
pub(crate) fn lockdown() -> Option<&'static str> {
    lacks("lockdown", Path::new(LOCKDOWN).exists())
}

pub(crate) const LOCKDOWN: &str = "/sys/kernel/security/lockdown";

/// Whether it is, as strictly as can be.
pub(crate) fn is_locked_down() -> bool {
    fs::read_to_string(LOCKDOWN).is_ok_and(|modes| modes.contains("[confidentiality]"))
}

/// Since Linux 6.2.
pub(crate) fn plain_loads() -> Option<&'static str> {
    let symbols = fs::read_to_string("/proc/kallsyms").unwrap();
    lacks("bpf_rdonly_cast()", symbols.contains(" bpf_rdonly_cast\n"))
}

/// Set by `cargo xtask test`: the directory of Prometheus' programs.
pub(crate) const PROMETHEUS: &str = "MIGTRACE_PROMETHEUS";

pub(crate) fn prometheus() -> Option<&'static str> {
    lacks("Prometheus", std::env::var_os(PROMETHEUS).is_some())
}
