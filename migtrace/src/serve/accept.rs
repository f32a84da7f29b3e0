//! Which format a request's `Accept` header selects, by RFC 9110, section 12.5.1.
//!
//! headers-accept parses the ranges, orders them and compares weights. It compares parameters exactly, and scrapers send
//! ones that do not select a format (`charset`, `escaping`). This module leaves only `version` and `q` in a range.

use axum::http::{HeaderMap, HeaderValue, header};
use headers_accept::Accept;
use mediatype::{MediaType, MediaTypeBuf, Name, ReadParams, Value, names};

use crate::metrics::Format;

const OPEN_METRICS: MediaType<'_> = MediaType::new(names::APPLICATION, Name::new_unchecked("openmetrics-text"));
const PLAIN: MediaType<'_> = MediaType::new(names::TEXT, names::PLAIN);
const VERSION: Name<'_> = Name::new_unchecked("version");
/// The formats with media type and version; the first is the default. Plain text for `*/*`: every scraper parses it, and
/// a browser shows it, but downloads OpenMetrics.
static OFFERS: [(Format, MediaType<'_>, &str); 3] = [
    (Format::Prometheus, PLAIN, "0.0.4"),
    (Format::OpenMetrics, OPEN_METRICS, "1.0.0"),
    (Format::OpenMetricsDraft, OPEN_METRICS, "0.0.1"),
];
/// Matches what no range of the client matches. RFC 9110 allows to disregard a header that nothing satisfies; Prometheus' own
/// libraries do. What the client excluded by `q=0` stays excluded.
const OTHERWISE: &str = "*/*;q=0.001";

/// The format for these request headers. `None`: the client excludes all of them.
pub(super) fn format(headers: &HeaderMap) -> Option<Format> {
    let lines: Result<Vec<&str>, _> = headers.get_all(header::ACCEPT).iter().map(HeaderValue::to_str).collect();
    // One that cannot be parsed, such as `*; q=.2` of old Java clients, counts as none.
    let accept: Accept = lines
        .ok()
        .and_then(|lines| lines.join(",").parse().ok())
        .unwrap_or_else(|| Accept::from_iter::<[MediaType<'_>; 0]>([]));
    let ranges = accept.media_types().flat_map(versions).chain([OTHERWISE.to_owned()]);
    let ranges: Accept = ranges.filter_map(|range| MediaTypeBuf::from_string(range).ok()).collect();
    let offers = OFFERS.each_ref().map(|(_, media, version)| with_version(media, version));
    let offers: Vec<MediaType<'_>> = offers.iter().filter_map(|offer| MediaType::parse(offer).ok()).collect();
    let chosen = ranges.negotiate(&offers)?;
    OFFERS.iter().zip(&offers).find(|(_, offer)| *offer == chosen).map(|((format, ..), _)| *format)
}

fn with_version(media: &MediaType<'_>, version: &str) -> String {
    format!("{media};version={version}")
}

/// The offers that a range includes, with its weight; a wildcard stays one.
fn versions(range: &MediaTypeBuf) -> Vec<String> {
    let weight = range.get_param(names::Q).map_or_else(|| "1".to_owned(), |q| q.unquoted_str().into_owned());
    let weighted = |media: String| format!("{media};q={weight}");
    let essence = range.essence();
    if essence.subty == names::_STAR {
        return vec![weighted(essence.to_string())];
    }
    let version = range.get_param(VERSION);
    let wanted = version.as_ref().map(Value::unquoted_str);
    let includes = |version: &str| wanted.as_ref().is_none_or(|wanted| wanted == version);
    let offers = OFFERS.iter().filter(|(_, media, version)| *media == essence && includes(version));
    offers.map(|(_, media, version)| weighted(with_version(media, version))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEITHER: Option<Format> = None;
    const TEXT: Option<Format> = Some(Format::Prometheus);
    const OPEN: Option<Format> = Some(Format::OpenMetrics);
    const DRAFT: Option<Format> = Some(Format::OpenMetricsDraft);

    fn chosen(lines: &[&str]) -> Option<Format> {
        let values = lines.iter().map(|line| HeaderValue::from_bytes(line.as_bytes()).expect("a header"));
        format(&values.map(|value| (header::ACCEPT, value)).collect())
    }

    #[track_caller]
    fn assert_chosen(cases: &[(&str, Option<Format>)]) {
        for (accept, format) in cases {
            assert_eq!(chosen(&[accept]), *format, "{accept}");
        }
    }

    #[test]
    fn clients_get_what_they_parse() {
        assert_eq!(chosen(&[]), TEXT);
        assert_chosen(&[
            // Prometheus 3, 2.34 and later, and before.
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;\
                 version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,\
                 */*;q=0.2",
                OPEN,
            ),
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OPEN,
            ),
            ("application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", DRAFT),
            // Prometheus with `scrape_protocols: [PrometheusProto]`.
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.5,*/*;q=0.1",
                TEXT,
            ),
            // VictoriaMetrics, Datadog, curl, Firefox.
            ("text/plain;version=0.0.4;q=1,*/*;q=0.1", TEXT),
            ("text/plain", TEXT),
            ("*/*", TEXT),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", TEXT),
        ]);
    }

    #[test]
    fn weight_and_specificity_decide() {
        assert_chosen(&[
            ("application/openmetrics-text;q=0,text/plain", TEXT),
            ("application/openmetrics-text;q=0.0,*/*", TEXT),
            ("text/plain;q=0,*/*", OPEN),
            ("text/*;q=0,*/*;q=0.5", OPEN),
            ("application/*, text/plain;q=0.9", OPEN),
            ("text/plain;q=0.4,application/openmetrics-text;q=0.5", OPEN),
            ("text/plain;q=0.6,application/openmetrics-text;q=0.5", TEXT),
            ("*/*;q=0.9,application/openmetrics-text;q=0.1", TEXT),
            ("application/openmetrics-text;version=1.0.0;q=0,application/openmetrics-text", DRAFT),
            ("application/openmetrics-text;version=2.0.0,text/plain;q=0.1", TEXT),
        ]);
    }

    #[test]
    fn spelling_does_not_matter() {
        assert_chosen(&[
            ("Application/OpenMetrics-Text; Version=1.0.0; Q=0.9, Text/Plain;q=0.1", OPEN),
            ("application/openmetrics-text ; version=\"1.0.0\" ; charset=utf-8", OPEN),
            ("TEXT/PLAIN;CHARSET=UTF-8;q=1,application/openmetrics-text;q=0.9", TEXT),
        ]);
        assert_eq!(chosen(&["text/plain;q=0.1", "application/openmetrics-text;q=0.2"]), OPEN);
        assert_eq!(chosen(&["application/openmetrics-text;q=0", "text/plain;q=0"]), NEITHER);
    }

    #[test]
    fn what_cannot_be_satisfied_gets_the_default_unless_that_is_excluded() {
        assert_chosen(&[
            ("application/json", TEXT),
            ("", TEXT),
            ("text/html, image/gif, *; q=.2, */*; q=.2", TEXT),
            ("\u{fc}", TEXT),
            ("*/*;q=0", NEITHER),
            ("text/plain;q=0,application/*;q=0", NEITHER),
        ]);
    }
}
