//! The table of a comparison.

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, presets::UTF8_HORIZONTAL_ONLY};

use super::{
    metric::{METRICS, Metric},
    sides::{Comparison, Side},
    spread::Spread,
};

/// Metrics that are unknown on both sides are omitted.
pub(super) fn table(comparison: &Comparison) -> Table {
    let mut table = Table::new();
    let style = UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none());
    table.load_style(style).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(vec![String::new(), title(&comparison.a), title(&comparison.b), "ratio".into()]);
    for metric in &METRICS {
        let (a, b) = (comparison.a.spread(metric), comparison.b.spread(metric));
        if a.is_none() && b.is_none() {
            continue;
        }
        let ratio = comparison.ratio(metric).map_or_else(|| "-".into(), |r| format!("{r:.2}"));
        table.add_row(vec![metric.label.to_string(), cell(metric, a), cell(metric, b), ratio]);
    }
    table.column_iter_mut().skip(1).for_each(|c| c.set_cell_alignment(CellAlignment::Right));
    table
}

fn title(side: &Side) -> String {
    match side.runs.len() {
        1 => side.label.clone(),
        n => format!("{} ({n} runs)", side.label),
    }
}

/// `41.2 µs`; with several runs `41.2 µs (40.0 µs to 60.0 µs)`; with an interval `41.2 µs [40.5 µs, 44.0 µs]`.
fn cell(metric: &Metric, spread: Option<Spread>) -> String {
    let Some(s) = spread else { return "-".into() };
    let text = |value: f64| metric.unit.text(value);
    match s.interval {
        _ if s.min == s.max => text(s.median),
        Some(i) => format!("{} [{}, {}]", text(s.median), text(i.low), text(i.high)),
        None => format!("{} ({} to {})", text(s.median), text(s.min), text(s.max)),
    }
}
