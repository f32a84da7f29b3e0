//! Metrics of a comparison: names with units for programs, labels for people.

use super::measure::Measure;
use crate::{model::latency::Latencies, text};

/// Unit of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Pages,
    Events,
    Nanoseconds,
}

impl Unit {
    /// The value with its unit, for people.
    #[must_use]
    pub fn text(self, value: f64) -> String {
        match self {
            Self::Nanoseconds => text::duration_f64(value),
            _ if value.fract() == 0.0 => format!("{value:.0}"),
            _ => format!("{value:.1}"),
        }
    }
}

/// One metric of a run.
#[derive(Clone, Copy)]
pub struct Metric {
    /// Name for programs; ends with its unit.
    pub name: &'static str,
    pub label: &'static str,
    pub unit: Unit,
    /// Its value; `None` if unknown or not applicable to this run.
    pub of: fn(&Measure) -> Option<f64>,
}

const fn metric(name: &'static str, label: &'static str, unit: Unit, of: fn(&Measure) -> Option<f64>) -> Metric {
    Metric { name, label, unit, of }
}

/// All metrics, in display order.
pub const METRICS: [Metric; 22] = [
    metric("requests", "placement syscalls that migrate or mark", Unit::Events, |m| of(m.requests)),
    metric("asked_pages", "pages requested", Unit::Pages, |m| of(m.asked_pages)),
    metric("moved_in_request_pages", "pages migrated in syscalls", Unit::Pages, |m| of(m.moved_in_request_pages)),
    metric("marked_pages", "pages marked (unmapped)", Unit::Pages, |m| of(m.marked_pages)),
    metric("moved_in_fault_pages", "pages migrated in page faults", Unit::Pages, |m| of(m.moved_in_fault_pages)),
    metric("placed_pages", "marked, already placed", Unit::Pages, |m| of(m.placed_pages)),
    metric("failed_pages", "pages not migrated (failed)", Unit::Pages, |m| of(m.failed_pages)),
    metric("gone_pages", "marked, gone before a touch", Unit::Pages, |m| of(m.gone_pages)),
    metric("untouched_pages", "marked, never touched", Unit::Pages, |m| of(m.untouched_pages)),
    metric("request_ns", "time in syscalls", Unit::Nanoseconds, |m| of(m.request_ns)),
    metric("request_per_asked_page_ns", "  per requested page", Unit::Nanoseconds, |m| {
        per(m.request_ns, m.asked_pages)
    }),
    metric("faults", "later page faults on these pages", Unit::Events, |m| of(m.faults.as_ref().map(Latencies::count))),
    metric("fault_ns", "time in these faults", Unit::Nanoseconds, |m| of(m.fault_ns())),
    metric("fault_moving_ns", "  of which migrating", Unit::Nanoseconds, |m| of(m.moving_in_faults_ns)),
    metric("fault_per_fault_ns", "  per fault, mean", Unit::Nanoseconds, |m| {
        per(m.fault_ns(), m.faults.as_ref().map(Latencies::count))
    }),
    metric("fault_median_ns", "  per fault, median", Unit::Nanoseconds, |m| faults(m, Latencies::median_ns)),
    metric("fault_p90_ns", "  per fault, 90th percentile", Unit::Nanoseconds, |m| faults(m, |f| f.percentile_ns(90))),
    metric("fault_p99_ns", "  per fault, 99th percentile", Unit::Nanoseconds, |m| faults(m, |f| f.percentile_ns(99))),
    metric("fault_max_ns", "  per fault, maximum", Unit::Nanoseconds, |m| faults(m, Latencies::max_ns)),
    metric("longest_wait_ns", "longest single wait", Unit::Nanoseconds, |m| of(m.longest_wait_ns())),
    metric("total_ns", "total time", Unit::Nanoseconds, |m| of(m.total_ns())),
    metric("total_per_moved_page_ns", "  per migrated page", Unit::Nanoseconds, |m| per(m.total_ns(), m.moved_pages())),
];

/// Finds a metric by name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|m| m.name == name)
}

fn of(value: Option<u64>) -> Option<f64> {
    value.map(|v| v as f64)
}

fn per(ns: Option<u64>, count: Option<u64>) -> Option<f64> {
    count.filter(|n| *n > 0).and_then(|n| Some(ns? as f64 / n as f64))
}

fn faults(m: &Measure, of: fn(&Latencies) -> Option<u64>) -> Option<f64> {
    m.faults.as_ref().and_then(of).map(|ns| ns as f64)
}
