//! Finds errors of the guest's kernel in its console log.

use std::{fmt, fs, path::Path};

/// Kind of an error that the kernel reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A CPU or task did not run in time. On an emulated machine the host may be at fault.
    Stall,
    /// WARN_ON.
    Warning,
    /// Wrong lock order, wrong refcount, or sleeping in a context that forbids it.
    Locking,
    /// KASAN, page table check, slab or list corruption.
    Memory,
    /// BUG_ON, an oops, a general protection fault.
    Bug,
    Panic,
}

/// A line of the console log that reports an error in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Splat {
    pub(crate) kind: Kind,
    pub(crate) line: String,
}

impl fmt::Display for Splat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Stall => "stall",
            Kind::Warning => "warning",
            Kind::Locking => "locking report",
            Kind::Memory => "memory corruption report",
            Kind::Bug => "kernel bug",
            Kind::Panic => "panic",
        };
        write!(f, "{kind}: {}", self.line)
    }
}

/// Prefixes of kernel messages that report an error in the kernel, without the time stamp. The first match counts.
const SPLATS: &[(&str, Kind)] = &[
    ("Kernel panic - not syncing", Kind::Panic),
    ("BUG: KASAN", Kind::Memory),
    ("BUG: KFENCE", Kind::Memory),
    ("BUG: Bad page", Kind::Memory),
    ("BUG: Bad rss-counter", Kind::Memory),
    ("BUG: non-zero pgtables_bytes", Kind::Memory),
    ("list_add corruption", Kind::Memory),
    ("list_del corruption", Kind::Memory),
    ("page_table_check:", Kind::Memory),
    ("BUG: soft lockup", Kind::Stall),
    ("watchdog: BUG: soft lockup", Kind::Stall),
    ("watchdog: Watchdog detected hard LOCKUP", Kind::Stall),
    ("rcu: INFO: rcu_", Kind::Stall),
    ("INFO: rcu_", Kind::Stall),
    ("BUG: workqueue lockup", Kind::Stall),
    ("INFO: task ", Kind::Locking),
    ("BUG: sleeping function called from invalid context", Kind::Locking),
    ("BUG: scheduling while atomic", Kind::Locking),
    ("BUG: spinlock", Kind::Locking),
    ("BUG: Invalid wait context", Kind::Locking),
    ("WARNING: possible circular locking dependency", Kind::Locking),
    ("WARNING: possible recursive locking", Kind::Locking),
    ("WARNING: possible irq lock inversion", Kind::Locking),
    ("WARNING: inconsistent lock state", Kind::Locking),
    ("WARNING: bad unlock balance", Kind::Locking),
    ("WARNING: suspicious RCU usage", Kind::Locking),
    ("WARNING: lock held when returning to user space", Kind::Locking),
    ("WARNING: CPU: ", Kind::Warning),
    ("refcount_t: ", Kind::Locking),
    ("BUG: ", Kind::Bug),
    ("kernel BUG at ", Kind::Bug),
    ("Oops: ", Kind::Bug),
    ("general protection fault", Kind::Bug),
    ("stack segment:", Kind::Bug),
    ("Internal error:", Kind::Bug),
];

/// Returns every error in a console log, in order.
pub(crate) fn splats(log: &str) -> Vec<Splat> {
    let find = |line: &str| {
        let text = message(line);
        let (_, kind) = SPLATS.iter().find(|(start, _)| text.starts_with(start))?;
        Some(Splat { kind: *kind, line: text.to_owned() })
    };
    log.lines().filter_map(find).collect()
}

/// Returns a console line without its time stamp and without the caller id that some configurations print.
fn message(line: &str) -> &str {
    let mut text = line.trim();
    while let Some((stamp, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        if !stamp.trim_start().starts_with(|c: char| c.is_ascii_digit() || c == 'T' || c == 'C') {
            break;
        }
        text = rest.trim_start();
    }
    text
}

/// Reads the console log as text. A log that cannot be read is empty, because other code reports a machine that broke.
pub(crate) fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// Returns the log's last lines.
pub(crate) fn tail(log: &str, lines: usize) -> String {
    let all: Vec<&str> = log.lines().map(str::trim_end).collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_classified_by_kind() {
        let log = "\
[    0.000000] Linux version 6.12.117-mof\r
[    4.512345] WARNING: CPU: 1 PID: 77 at mm/migrate.c:1234 migrate_folio_move+0x1/0x2\r
[    4.612345][   T77] BUG: KASAN: slab-use-after-free in do_swap_page+0x1/0x2\r
[    5.000000] WARNING: possible circular locking dependency detected\r
[    6.000000] watchdog: BUG: soft lockup - CPU#2 stuck for 26s! [memtoy:80]\r
[    7.000000] BUG: kernel NULL pointer dereference, address: 0000000000000008\r
[    7.100000] Oops: Oops: 0000 [#1] PREEMPT SMP NOPTI\r
[    8.000000] Kernel panic - not syncing: Fatal exception\r\n";
        let kinds: Vec<Kind> = splats(log).into_iter().map(|splat| splat.kind).collect();
        assert_eq!(kinds, [Kind::Warning, Kind::Memory, Kind::Locking, Kind::Stall, Kind::Bug, Kind::Bug, Kind::Panic]);
    }

    #[test]
    fn a_line_that_only_mentions_an_error_is_not_an_error() {
        let log = "[    1.0] Command line: panic=-1 oops=panic\n[    2.0] test says: BUG: not really\n\
                   [    3.0] Spectre V2 : WARNING: Unprivileged eBPF is enabled\n[ok] WARNING: CPU: 1\n";
        assert_eq!(splats(log), []);
    }

    #[test]
    fn the_tail_of_a_short_log_is_all_of_it() {
        assert_eq!(tail("a\r\nb\r\n", 5), "a\nb");
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("", 2), "");
    }
}
