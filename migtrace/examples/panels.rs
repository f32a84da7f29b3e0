//! Draws what the panels of dashboards/ show, from what Prometheus answered in the test of them:
//!
//!     cargo run --example panels -- target/dashboards/panels.json host dashboards/host.svg
//!
//! It stands in for Grafana, and only for the README's picture: the same queries, drawn by plotters.

use std::{error::Error, fs};

use migtrace::plot::PALETTE;
use plotters::{prelude::*, style::register_font};
use serde_json::Value;

const FONT: &str = "sans-serif";
const COLUMNS: usize = 2;
const PANEL: (u32, u32) = (640, 220);
/// Of a panel, on its right.
const LEGEND_WIDTH: u32 = 190;
const LEGEND_TOP: i32 = 36;
const LINE_HEIGHT: i32 = 17;
/// Height of a panel against its largest value.
const HEADROOM: f64 = 1.1;

struct Series {
    label: String,
    points: Vec<(f64, f64)>,
}

struct Panel {
    title: String,
    unit: String,
    series: Vec<Series>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, dashboard, to] = &arguments[..] else {
        return Err("usage: panels PANELS.json DASHBOARD OUT.svg".into());
    };
    let answers: Vec<Value> = serde_json::from_str(&fs::read_to_string(from)?)?;
    let mut panels: Vec<Panel> = Vec::new();
    for answer in answers.iter().filter(|a| a["dashboard"] == dashboard.as_str() && a["type"] == "timeseries") {
        let title = answer["panel"].as_str().unwrap_or_default();
        if panels.last().is_none_or(|panel| panel.title != title) {
            let unit = answer["unit"].as_str().unwrap_or_default().to_owned();
            panels.push(Panel { title: title.to_owned(), unit, series: Vec::new() });
        }
        let legend = answer["legend"].as_str().unwrap_or_default();
        let series = answer["result"].as_array().into_iter().flatten().map(|result| series(result, legend));
        if let Some(panel) = panels.last_mut() {
            panel.series.extend(series.filter(|series| !series.points.is_empty()));
        }
    }
    register_font(FONT, FontStyle::Normal, dejavu::sans::regular()).map_err(|_| "the font is damaged")?;
    let rows = panels.len().div_ceil(COLUMNS);
    let size = (PANEL.0 * COLUMNS as u32, PANEL.1 * rows as u32);
    let root = SVGBackend::new(to, size).into_drawing_area();
    root.fill(&WHITE)?;
    for (panel, area) in panels.iter_mut().zip(root.split_evenly((rows, COLUMNS))) {
        // The largest first, so that those that are left out are small.
        panel.series.sort_by(|a, b| largest(b).total_cmp(&largest(a)));
        draw(panel, &area)?;
    }
    root.present()?;
    Ok(())
}

fn largest(series: &Series) -> f64 {
    series.points.iter().map(|point| point.1).fold(0.0, f64::max)
}

/// `{{cause}} to {{node}}` with the values of labels.
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

fn draw<DB: DrawingBackend>(panel: &Panel, area: &DrawingArea<DB, plotters::coord::Shift>) -> Result<(), Box<dyn Error>>
where
    DB::ErrorType: 'static,
{
    let times = || panel.series.iter().flat_map(|series| series.points.iter().map(|point| point.0));
    let (first, last) = (times().fold(f64::MAX, f64::min), times().fold(f64::MIN, f64::max));
    let top = panel.series.iter().map(largest).fold(0.0, f64::max);
    let top = if top > 0.0 { top * HEADROOM } else { 1.0 };
    if first >= last {
        area.titled(&format!("{}: no data", panel.title), (FONT, 15))?;
        return Ok(());
    }
    let (plot, legend) = area.split_horizontally(PANEL.0 - LEGEND_WIDTH);
    let mut chart = ChartBuilder::on(&plot)
        .caption(&panel.title, (FONT, 15))
        .margin(8)
        .x_label_area_size(22)
        .y_label_area_size(62)
        .build_cartesian_2d(0.0..last - first, 0.0..top)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .axis_style(BLACK.mix(0.4))
        .x_labels(6)
        .y_labels(5)
        .label_style((FONT, 11))
        .x_label_formatter(&|s| format!("{s:.0} s"))
        .y_label_formatter(&|value| with_unit(*value, &panel.unit))
        .draw()?;
    let mut y = LEGEND_TOP;
    for (series, color) in panel.series.iter().zip(PALETTE) {
        let points = series.points.iter().map(|(time, value)| (time - first, *value));
        chart.draw_series(LineSeries::new(points, color.stroke_width(2)))?;
        legend.draw(&PathElement::new([(0, y + 6), (12, y + 6)], color.stroke_width(2)))?;
        legend.draw(&Text::new(series.label.clone(), (18, y), (FONT, 11)))?;
        y += LINE_HEIGHT;
    }
    let left_out = panel.series.len().saturating_sub(PALETTE.len());
    if left_out > 0 {
        legend.draw(&Text::new(
            format!("and {left_out} smaller ones"),
            (18, y),
            (FONT, 11).into_font().color(&BLACK.mix(0.6)),
        ))?;
    }
    Ok(())
}

/// As Grafana would write it.
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
