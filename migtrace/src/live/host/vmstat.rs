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
    Ok(parse(&fs::read_to_string("/proc/vmstat")?))
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
