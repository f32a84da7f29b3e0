//! Metrics as text, by prometheus-client.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet, prometheus_text, text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit},
};

use super::{
    family::{Families, Value},
    table::{Kind, Metric},
};
use crate::counts::Times;

/// Output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The same text under the number of OpenMetrics' draft: Prometheus accepted only that before 2.34. Prometheus' own Go
    /// library also sends one text under both numbers.
    OpenMetricsDraft,
    /// Prometheus text format 0.0.4, for scrapers without OpenMetrics.
    Prometheus,
}

impl Format {
    /// Value of the Content-Type header.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::OpenMetricsDraft => "application/openmetrics-text; version=0.0.1; charset=utf-8",
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
        }
    }
}

/// Encodes the metrics in a format.
///
/// # Errors
/// None: writing to a String cannot fail.
pub fn encode(families: &Arc<Families>, format: Format) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(All(Arc::clone(families))));
    let mut text = String::new();
    match format {
        Format::OpenMetrics | Format::OpenMetricsDraft => text::encode(&mut text, &registry)?,
        Format::Prometheus => prometheus_text::encode(&mut text, &registry)?,
    }
    Ok(text)
}

#[derive(Debug)]
struct All(Arc<Families>);

impl Collector for All {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (metric, samples) in self.0.iter() {
            let unit = metric.unit.map(unit);
            let mut family = encoder.encode_descriptor(metric.stem(), metric.help, unit.as_ref(), kind(metric))?;
            for (labels, value) in samples {
                match (metric.kind, value) {
                    (Kind::Info, _) => family.encode_info(labels)?,
                    (_, value) => sample(metric.kind, value, family.encode_family(labels)?)?,
                }
            }
        }
        Ok(())
    }
}

fn unit(name: &str) -> Unit {
    match name {
        "seconds" => Unit::Seconds,
        "bytes" => Unit::Bytes,
        other => Unit::Other(other.to_owned()),
    }
}

fn kind(metric: &Metric) -> MetricType {
    match metric.kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
        Kind::Info => MetricType::Info,
    }
}

fn sample(kind: Kind, value: &Value, mut encoder: MetricEncoder<'_>) -> fmt::Result {
    match (kind, value) {
        (Kind::Counter, Value::Whole(count)) => ConstCounter::new(*count).encode(encoder),
        (Kind::Counter, Value::Fraction(count)) => ConstCounter::new(*count).encode(encoder),
        (_, Value::Whole(value)) => ConstGauge::new(*value).encode(encoder),
        (_, Value::Fraction(value)) => ConstGauge::new(*value).encode(encoder),
        (_, Value::Times(times)) => {
            encoder.encode_histogram::<NoLabelSet>(seconds(times.total_ns), times.events(), &buckets(times), None)
        }
        (_, Value::Nothing) => Ok(()),
    }
}

/// Upper bound (seconds) and events of each bucket.
fn buckets(times: &Times) -> Vec<(f64, u64)> {
    // The last bucket has no end.
    Times::ends_ns().map(|end| end.map_or(f64::INFINITY, seconds)).zip(times.buckets).collect()
}

pub(super) fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
