//! Tables below a part's title.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets::NOTHING};

use crate::{
    model::latency::Latencies,
    text::{self, Line, Tone, line},
};

/// Total, median, three percentiles and the maximum; `-` if there are too few values.
pub(super) fn times(times: &Latencies) -> [String; 6] {
    let text = |ns: Option<u64>| ns.map_or_else(|| "-".into(), text::duration);
    [
        text((times.count() > 0).then_some(times.total_ns())),
        text(times.median_ns()),
        text(times.percentile_ns(90)),
        text(times.percentile_ns(99)),
        text(times.permille_ns(999)),
        text(times.max_ns()),
    ]
}

pub(super) fn new(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    table
}

/// A cell whose number is unknown.
pub(super) fn unknown() -> String {
    "?".into()
}

/// A table's lines. The first `left` columns, and reasons, are aligned to the left.
pub(super) fn lines(mut table: Table, left: usize) -> Vec<Line> {
    let header = table.header().map(|h| h.cell_iter().map(|c| c.content()).collect::<Vec<_>>()).unwrap_or_default();
    for (column, title) in table.column_iter_mut().zip(header).skip(left) {
        if title != "why" {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let tone = |n| if n == 0 { Tone::Dim } else { Tone::Plain };
    // A table pads its first column too.
    table.lines().enumerate().map(|(n, row)| line!["  ", tone(n).paint(row.trim_end())]).collect()
}
