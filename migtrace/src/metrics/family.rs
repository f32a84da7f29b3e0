//! Metrics with their samples, in the order of the table.

use std::collections::BTreeMap;

use super::table::{METRICS, Metric};
use crate::counts::Times;

/// Labels of a sample, without those whose value is unknown.
pub(super) type Labels = Vec<(&'static str, String)>;

/// Value of a sample.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Whole(u64),
    Fraction(f64),
    Times(Box<Times>),
    /// Of an info metric.
    Nothing,
}

/// All samples, by metric.
#[derive(Clone, Debug, Default)]
pub struct Families {
    by_name: BTreeMap<&'static str, BTreeMap<Labels, Value>>,
}

impl Families {
    /// Sets a sample.
    pub(super) fn set(&mut self, metric: &'static Metric, labels: Labels, value: Value) {
        debug_assert!(labels.iter().all(|(name, _)| metric.labels.contains(name)), "{}: {labels:?}", metric.name);
        self.by_name.entry(metric.name).or_default().insert(labels, value);
    }

    /// Adds to a counter sample.
    pub(super) fn add(&mut self, metric: &'static Metric, labels: Labels, more: u64) {
        debug_assert!(labels.iter().all(|(name, _)| metric.labels.contains(name)), "{}: {labels:?}", metric.name);
        let value = self.by_name.entry(metric.name).or_default().entry(labels).or_insert(Value::Whole(0));
        if let Value::Whole(count) = value {
            *count += more;
        }
    }

    /// Adds to a histogram. Without latencies there is no histogram.
    pub(super) fn add_times(&mut self, metric: &'static Metric, labels: Labels, more: &Times) {
        debug_assert!(labels.iter().all(|(name, _)| metric.labels.contains(name)), "{}: {labels:?}", metric.name);
        if more.events() == 0 {
            return;
        }
        let family = self.by_name.entry(metric.name).or_default();
        if let Value::Times(times) = family.entry(labels).or_insert_with(|| Value::Times(Box::default())) {
            times.merge(more);
        }
    }

    /// All metrics with samples.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static Metric, &BTreeMap<Labels, Value>)> {
        METRICS.iter().filter_map(|metric| Some((*metric, self.by_name.get(metric.name)?)))
    }

    /// Only these metrics, by the name of the metric or of a sample.
    #[must_use]
    pub fn only(&self, names: &[String]) -> Self {
        let is_named = |metric: &Metric| {
            let samples = metric.samples();
            names.iter().any(|name| name == metric.name || name == metric.stem() || samples.contains(name))
        };
        let named = self.iter().filter(|(metric, _)| is_named(metric));
        Self { by_name: named.map(|(metric, samples)| (metric.name, samples.clone())).collect() }
    }

    /// Value of one sample.
    #[cfg(test)]
    pub(super) fn get(&self, metric: &Metric, labels: &[(&'static str, &str)]) -> Option<&Value> {
        let labels: Labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.by_name.get(metric.name)?.get(&labels)
    }
}

/// Labels with known values, in the given order.
pub(super) fn labels<const N: usize>(all: [(&'static str, Option<String>); N]) -> Labels {
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// A node as a label.
pub(super) fn node(nid: Option<i32>) -> Option<String> {
    nid.map(|nid| nid.to_string())
}
