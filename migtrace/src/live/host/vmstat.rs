//! /proc/vmstat: the kernel's own system-wide counts, independent of the trace.

use std::{collections::BTreeMap, fs, io};

/// Counters by name.
pub type Counters = BTreeMap<String, i64>;

/// Prefixes of the counters used.
const PREFIXES: [&str; 6] = ["mof_", "pgmigrate_", "numa_", "pgdemote", "pgpromote", "thp_migration"];

/// The counters of migration and placement.
///
/// # Errors
/// If /proc/vmstat cannot be read.
pub fn read() -> io::Result<Counters> {
    fold();
    Ok(parse(&fs::read_to_string("/proc/vmstat")?))
}

/// Lets every CPU add what it has counted to the counters that the kernel keeps per node (`pgpromote_*`, and `pgdemote_*`
/// of newer kernels). Otherwise a CPU does so about once a second, and these counters lag. Needs root.
///
/// Isolated CPUs must not be interrupted, and a real-time task on one would block the read. So on a machine that has
/// some, nothing is folded.
fn fold() {
    let any_cpu = |list: &str| list.contains(|c: char| c.is_ascii_digit());
    let isolates = |file: &&str| fs::read_to_string(file).is_ok_and(|list| any_cpu(&list));
    if !["/sys/devices/system/cpu/isolated", "/sys/devices/system/cpu/nohz_full"].iter().any(isolates) {
        // Reading it is the request; without root it is denied, and the counters lag.
        let _ = fs::read("/proc/sys/vm/stat_refresh");
    }
}

/// Increase of each counter from `before` to `after`.
#[must_use]
pub fn delta(before: &Counters, after: &Counters) -> Counters {
    after.iter().map(|(name, count)| (name.clone(), count - before.get(name).copied().unwrap_or(0))).collect()
}

fn parse(text: &str) -> Counters {
    let parse = |line: &str| {
        let (name, count) = line.split_once(' ')?;
        let wanted = PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        wanted.then(|| Some((name.to_owned(), count.trim().parse().ok()?))).flatten()
    };
    text.lines().filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_placement_counters_are_kept_and_subtracted() {
        let before = parse("nr_free_pages 5\npgmigrate_success 10\n");
        let after = parse("nr_free_pages 4\npgmigrate_success 18\nmof_checked 8\n");
        assert_eq!(
            delta(&before, &after),
            BTreeMap::from([("mof_checked".into(), 8), ("pgmigrate_success".into(), 8)])
        );
    }
}
