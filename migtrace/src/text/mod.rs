//! How quantities and the kernel's words are written for people, the same in every view.

pub mod ansi;
mod span;

pub(crate) use span::line;
pub use span::{Line, Span, Tone};

use crate::{container::Container, event::escape_control, model::lazy::fate::Gone};

/// `n` of a thing: `1 page`, `8 pages`.
#[must_use]
pub fn count(n: u64, thing: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {thing}{plural}")
}

/// A cgroup by its path, or the container that it is or lies in.
#[must_use]
pub fn cgroup(path: &str) -> String {
    escape_control(&Container::of(path).map_or_else(|| path.to_owned(), |container| container.to_string()))
}

/// Runs that the kernel left out: what they would have seen is in no count.
#[must_use]
pub fn missed(n: u64) -> String {
    format!("{} left out by the kernel, as the program ran on that CPU already", count(n, "program start"))
}

/// A time with three digits and its unit: `640 ns`, `41.2 µs`, `1.23 ms`, `250 s`.
#[must_use]
pub fn duration(ns: u64) -> String {
    duration_f64(ns as f64)
}

/// ms from `zero_ns` to a time; below 0 before it, as events are that came while the other probes were being attached.
#[must_use]
pub fn ms_since(ts_ns: u64, zero_ns: u64) -> f64 {
    if ts_ns < zero_ns { -((zero_ns - ts_ns) as f64 / 1e6) } else { (ts_ns - zero_ns) as f64 / 1e6 }
}

/// As [`duration`], of a computed number of ns.
#[must_use]
pub fn duration_f64(ns: f64) -> String {
    const UNITS: [(f64, &str); 3] = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")];
    if ns < 999.5 {
        return format!("{ns:.0} ns");
    }
    // Half a digit below the unit, so that 999.6 µs becomes 1.00 ms and not 1000 µs.
    let (scale, unit) = UNITS.into_iter().find(|(scale, _)| ns >= scale * 0.9995).unwrap_or(UNITS[2]);
    let value = ns / scale;
    let digits = if value >= 99.95 { 0 } else { usize::from(value < 9.995) + 1 };
    format!("{value:.digits$} {unit}")
}

/// What a system call returned, with the error's name where it failed.
#[must_use]
pub fn returned(ret: i64) -> String {
    match i32::try_from(ret) {
        Ok(errno) if (-4095..0).contains(&errno) => {
            let error = std::io::Error::from_raw_os_error(-errno).to_string();
            let name = error.split(" (os error").next().unwrap_or_default();
            format!("failed with {errno} ({name})")
        }
        _ => format!("returned {ret}"),
    }
}

/// What to bear in mind of a machine that is another's guest, by its hypervisor's name.
#[must_use]
pub fn machine(hypervisor: &str) -> String {
    let name = crate::event::escape_control(hypervisor);
    match hypervisor {
        "tcg" => format!("emulated machine ({name}): times rank, they do not measure"),
        _ => format!("virtual machine ({name}): times include what its host does"),
    }
}

/// The kernel's word for why a page was not moved, explained; words without an explanation are left as they are.
#[must_use]
pub fn reason(word: &str) -> String {
    let meaning = match word {
        "remote" => "touched on behalf of another process",
        "mapped" => "still mapped by somebody",
        "writeback" => "being written back",
        "not_uptodate" => "its contents were not read yet",
        "ksm" => "merged with equal pages",
        "hwpoison" => "its memory is broken",
        "unevictable" => "locked in memory",
        "not_migratable" => "its mapping cannot be migrated",
        "dma_pinned" => "pinned for device access",
        "will_cow" => "about to be copied, and the copy is placed by policy",
        "placed" => "already where policy wants it",
        "placed_or_deferred" => {
            "where policy wants it, or it moves only when touched from here again: the kernel shows no difference"
        }
        "not_opted_in" => "nobody asked for lazy migration of it",
        "nomem" => "no free page on the target node",
        "not_on_lru" => "not on a list of the page reclaim",
        "refs" => "somebody else held a reference",
        "move_failed" => "the kernel's move failed",
        "no_swap" => "no swap space for it, or no more for its cgroup",
        "not_anon" => "it belongs to a file or to shared memory",
        "lazyfree" => "it may be discarded (MADV_FREE)",
        "gone" => "unmapped for good in the meantime",
        _ => return word.to_string(),
    };
    format!("{word}: {meaning}")
}

/// How a marked page went away before it was touched.
#[must_use]
pub const fn gone(how: Gone) -> &'static str {
    match how {
        Gone::Exited => "with their process",
        Gone::SwappedOut => "swapped out",
        Gone::Unmapped => "unmapped",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_before_the_start_is_negative() {
        assert_eq!(format!("{:.3}", ms_since(1_500_000, 1_000_000)), "0.500");
        assert_eq!(format!("{:.3}", ms_since(1_000_000, 3_000_000)), "-2.000");
        assert_eq!(format!("{:.3}", ms_since(7, 7)), "0.000");
    }

    #[test]
    fn durations_have_three_digits() {
        let cases = [
            (0, "0 ns"),
            (999, "999 ns"),
            (1000, "1.00 µs"),
            (41_234, "41.2 µs"),
            (68_000, "68.0 µs"),
            (123_456, "123 µs"),
            (999_600, "1.00 ms"),
            (12_345_678, "12.3 ms"),
            (2_500_000_000, "2.50 s"),
            (250_000_000_000, "250 s"),
        ];
        for (ns, text) in cases {
            assert_eq!(duration(ns), text);
        }
    }

    #[test]
    fn failures_are_named() {
        assert_eq!(returned(0), "returned 0");
        assert_eq!(returned(5), "returned 5");
        assert_eq!(returned(-5), "failed with -5 (Input/output error)");
        assert_eq!(returned(i64::MIN), format!("returned {}", i64::MIN));
    }

    #[test]
    fn unknown_reasons_stay_as_the_kernel_gave_them() {
        assert_eq!(reason("reason#17"), "reason#17");
        assert_eq!(reason("refs"), "refs: somebody else held a reference");
    }
}
