//! Overhead of this process so far, from /proc and the kernel's clocks.

use std::{fs, time::Duration};

use crate::{
    clock,
    live::{attach::program_info::Ran, ring::reader},
    metrics::Cost,
};

/// The overhead, without values that only the caller knows.
pub(super) fn so_far(ran: &[Ran], measured: Duration) -> Cost {
    let mut cost = Cost {
        measured,
        reader_cpu_ns: reader_cpu_ns(),
        process_cpu_ns: Some(clock::process_cpu_ns()),
        resident_bytes: resident_bytes(),
        ..Cost::default()
    };
    for ran in ran {
        *cost.missed.entry(ran.probe).or_default() += ran.runs.missed;
        cost.programs.push(ran.cost());
    }
    cost
}

/// CPU time of the thread that reads the rings, ns.
fn reader_cpu_ns() -> Option<u64> {
    let threads = fs::read_dir("/proc/self/task").ok()?.flatten();
    let is_reader = |comm: &str| comm.trim() == reader::THREAD_NAME;
    let mut readers =
        threads.filter(|thread| fs::read_to_string(thread.path().join("comm")).is_ok_and(|comm| is_reader(&comm)));
    let schedstat = fs::read_to_string(readers.next()?.path().join("schedstat")).ok()?;
    schedstat.split_whitespace().next()?.parse().ok()
}

/// Resident memory, bytes.
fn resident_bytes() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    // SAFETY: has no preconditions.
    let page_bytes = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
    Some(pages * page_bytes)
}

/// Start time of this process, seconds since 1970.
pub(super) fn started_s() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The task name before may contain any character. The state after it is field 3, the start time field 22.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: f64 = fields.split_whitespace().nth(22 - 3)?.parse().ok()?;
    // SAFETY: has no preconditions.
    let hertz = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64;
    Some(ticks / hertz + clock::wall_offset_ns() as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_process_knows_its_start_and_size() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
        let age = now - started_s().expect("/proc is there");
        assert!((-1.0..3600.0).contains(&age), "{age}");
        assert!(resident_bytes().is_some_and(|bytes| bytes > 1 << 20));
        assert_eq!(reader_cpu_ns(), None, "there is no reader");
    }

    #[test]
    fn what_was_not_measured_is_not_zero() {
        assert!(so_far(&[], Duration::ZERO).programs.is_empty());
    }
}
