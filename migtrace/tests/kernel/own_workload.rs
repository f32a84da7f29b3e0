//! A test that is its own workload: it runs itself as a recorded command, which prints numbers under names.

use std::{ffi::OsString, fmt::Debug, str::FromStr};

use crate::{attribution::workload_argv, support::Run};

/// Returns the command that runs the workload of a test on all CPUs.
pub(crate) fn argv(test: &str) -> Vec<OsString> {
    workload_argv(test).split_off(3)
}

/// Prints numbers for [`Run::printed`].
pub(crate) fn print(name: &str, numbers: impl IntoIterator<Item = i64>) {
    println!("{name} {}", numbers.into_iter().map(|n| n.to_string()).collect::<Vec<_>>().join(" "));
}

impl Run {
    /// Returns the numbers that the workload printed under a name.
    pub(crate) fn printed<T: FromStr<Err: Debug>>(&self, name: &str) -> Vec<T> {
        let line = self.ended.stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let line = line.unwrap_or_else(|| panic!("{name}: {} {}", self.ended.stdout, self.ended.stderr));
        line.split_whitespace().map(|number| number.parse().unwrap()).collect()
    }
}
