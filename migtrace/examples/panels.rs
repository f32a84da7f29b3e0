//! Draws panels of dashboards/ without Grafana, for the picture in dashboards/README.md: the same queries, drawn by plotters.
//!
//!     prometheus --config.file=/dev/null --storage.tsdb.path=target/story/data
//!     cargo run --example panels -- 127.0.0.1:9090 $(cat target/story/times) host dashboards/host.svg
//!
//! The numbers are the first and the last second to draw, since 1970. dashboards/story.sh records such a database.

use std::{
    error::Error,
    fs,
    io::{Read, Write},
    net::TcpStream,
    ops::Range,
};

use migtrace::plot::PALETTE;
use plotters::{prelude::*, style::register_font};
use serde_json::Value;

/// Panels that are drawn, by title, and what their axis counts.
const DRAWN: [(&str, &str); 6] = [
    ("Faults by node", "per second"),
    ("Policy checks by verdict", "per second"),
    ("Pages migrated", "per second"),
    ("Migration duration", "p50 and p99"),
    ("Placement syscalls", "per second"),
    ("Overhead", "CPUs"),
];
/// Seconds between two points, and of a rate.
const STEP: u32 = 5;
const RATE_INTERVAL: &str = "20s";
/// A range below these seconds has an axis in seconds.
const SHORT: f64 = 300.0;
const FONT: &str = "sans-serif";
const COLUMNS: usize = 2;
const PANEL: (u32, u32) = (640, 230);
/// Width of a panel's legend, on its right.
const LEGEND_WIDTH: u32 = 190;
const LEGEND_TOP: i32 = 36;
const LINE_HEIGHT: i32 = 17;
/// Height of a panel relative to its largest value.
const HEADROOM: f64 = 1.1;

struct Series {
    label: String,
    points: Vec<(f64, f64)>,
}

struct Panel {
    title: String,
    /// Grafana's unit.
    unit: String,
    series: Vec<Series>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, from, until, dashboard, to] = &arguments[..] else {
        return Err("usage: panels ADDRESS FROM UNTIL DASHBOARD OUT.svg".into());
    };
    let times = from.parse::<f64>()?..until.parse::<f64>()?;
    let file = format!("{}/../dashboards/grafana/{dashboard}.json", env!("CARGO_MANIFEST_DIR"));
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(file)?)?;
    let mut panels =
        DRAWN.iter().map(|drawn| panel(&dashboard, drawn, address, &times)).collect::<Result<Vec<_>, _>>()?;
    register_font(FONT, FontStyle::Normal, dejavu::sans::regular()).map_err(|_| "the font is damaged")?;
    let rows = panels.len().div_ceil(COLUMNS);
    let size = (PANEL.0 * COLUMNS as u32, PANEL.1 * rows as u32);
    let root = SVGBackend::new(to, size).into_drawing_area();
    root.fill(&WHITE)?;
    for (panel, area) in panels.iter_mut().zip(root.split_evenly((rows, COLUMNS))) {
        // The largest first, so that the small ones are those without a colour.
        panel.series.sort_by(|a, b| largest(b).total_cmp(&largest(a)));
        draw(panel, &area, &times)?;
    }
    root.present()?;
    Ok(())
}

/// The panel with this title, with the results of its queries.
fn panel(
    dashboard: &Value,
    (title, axis): &(&str, &str),
    address: &str,
    times: &Range<f64>,
) -> Result<Panel, Box<dyn Error>> {
    let panels = dashboard["panels"].as_array().into_iter().flatten();
    let panel = panels.into_iter().find(|p| p["title"] == *title).ok_or_else(|| format!("no panel {title}"))?;
    let unit = panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap_or_default().to_owned();
    let mut all = Vec::new();
    for target in panel["targets"].as_array().into_iter().flatten() {
        let legend = target["legendFormat"].as_str().unwrap_or_default();
        let results = range(address, &plain(target["expr"].as_str().unwrap_or_default()), times)?;
        let of_target = results.iter().map(|result| series(result, legend));
        // A series that is 0 throughout says nothing in a picture.
        all.extend(of_target.filter(|series| largest(series) > 0.0));
    }
    Ok(Panel { title: format!("{title} ({axis})"), unit, series: all })
}

/// A panel's query as Grafana would send it, with all hosts, nodes and causes.
fn plain(query: &str) -> String {
    let query = query.replace("$__rate_interval", RATE_INTERVAL);
    ["$host", "$node", "$cause"].iter().fold(query, |query, variable| query.replace(variable, ".*"))
}

/// The series of a query in this range of seconds since 1970.
fn range(address: &str, query: &str, times: &Range<f64>) -> Result<Vec<Value>, Box<dyn Error>> {
    let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let (start, end) = (times.start, times.end);
    let path = format!("/api/v1/query_range?query={encoded}&start={start}&end={end}&step={STEP}");
    let mut stream = TcpStream::connect(address)?;
    // HTTP/1.0: no chunks, and the connection's end is the answer's.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    let answer: Value = serde_json::from_str(body)?;
    Ok(answer["data"]["result"].as_array().cloned().unwrap_or_default())
}

fn largest(series: &Series) -> f64 {
    series.points.iter().map(|point| point.1).fold(0.0, f64::max)
}

/// A series, named by the legend with label values: `{{cause}} to {{node}}`.
fn series(result: &Value, legend: &str) -> Series {
    let mut label = String::new();
    let mut rest = legend;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        label.push_str(before);
        label.push_str(result["metric"][name].as_str().unwrap_or_default());
        rest = after;
    }
    label.push_str(rest);
    let point = |pair: &Value| {
        let value: f64 = pair[1].as_str()?.parse().ok()?;
        value.is_finite().then_some((pair[0].as_f64()?, value))
    };
    let points = result["values"].as_array().into_iter().flatten().filter_map(point).collect();
    Series { label: label.trim().to_owned(), points }
}

fn draw<DB: DrawingBackend>(
    panel: &Panel,
    area: &DrawingArea<DB, plotters::coord::Shift>,
    range: &Range<f64>,
) -> Result<(), Box<dyn Error>>
where
    DB::ErrorType: 'static,
{
    let top = panel.series.iter().map(largest).fold(0.0, f64::max);
    let top = if top > 0.0 { top * HEADROOM } else { 1.0 };
    if panel.series.is_empty() {
        area.titled(&format!("{}: no data", panel.title), (FONT, 15))?;
        return Ok(());
    }
    // In minutes, the steps of a long axis are whole minutes.
    let (second, unit) = if range.end - range.start < SHORT { (1.0, "s") } else { (1.0 / 60.0, "min") };
    let (plot, legend) = area.split_horizontally(PANEL.0 - LEGEND_WIDTH);
    let mut chart = ChartBuilder::on(&plot)
        .caption(&panel.title, (FONT, 15))
        .margin(8)
        .x_label_area_size(22)
        .y_label_area_size(62)
        .build_cartesian_2d(0.0..(range.end - range.start) * second, 0.0..top)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .axis_style(BLACK.mix(0.4))
        .x_labels(10)
        .y_labels(5)
        .label_style((FONT, 11))
        .x_label_formatter(&|time| format!("{time:.0} {unit}"))
        .y_label_formatter(&|value| with_unit(*value, &panel.unit))
        .draw()?;
    let mut y = LEGEND_TOP;
    for (series, color) in panel.series.iter().zip(PALETTE) {
        let points = series.points.iter().map(|(time, value)| ((time - range.start) * second, *value));
        chart.draw_series(LineSeries::new(points, color.stroke_width(2)))?;
        legend.draw(&PathElement::new([(0, y + 6), (12, y + 6)], color.stroke_width(2)))?;
        legend.draw(&Text::new(series.label.clone(), (18, y), (FONT, 11)))?;
        y += LINE_HEIGHT;
    }
    let smaller = panel.series.len().saturating_sub(PALETTE.len());
    if smaller > 0 {
        legend.draw(&Text::new(
            format!("and {smaller} smaller ones"),
            (18, y),
            (FONT, 11).into_font().color(&BLACK.mix(0.6)),
        ))?;
    }
    Ok(())
}

/// A value as Grafana would write it.
fn with_unit(value: f64, unit: &str) -> String {
    let scaled = |steps: &[(f64, &str)]| {
        let (factor, suffix) = steps.iter().find(|(factor, _)| value >= *factor).unwrap_or(&steps[steps.len() - 1]);
        let value = value / factor;
        let digits = if value < 0.01 { 5 } else { 3 };
        format!("{value:.digits$}").trim_end_matches('0').trim_end_matches('.').to_owned() + suffix
    };
    match unit {
        _ if value == 0.0 => "0".to_owned(),
        "s" => scaled(&[(1.0, " s"), (1e-3, " ms"), (1e-6, " us")]),
        "bytes" => scaled(&[(1e6, " MB"), (1e3, " kB")]),
        "percentunit" => format!("{:.0} %", value * 100.0),
        "ops" => scaled(&[(1e3, "k/s"), (1.0, "/s")]),
        _ => scaled(&[(1e3, "k"), (1.0, "")]),
    }
}
