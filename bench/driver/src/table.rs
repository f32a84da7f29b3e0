//! Formats reports as text.

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, presets::UTF8_HORIZONTAL_ONLY};

use crate::{
    report::{Bound, Limit, Report, Unit, Verdict},
    spread::Spread,
};

/// Returns both tables of a report, the arms that could not run, and the notes.
pub(crate) fn text(report: &Report) -> String {
    let mut text = format!("{}\n", arms(report));
    if !report.limits.is_empty() {
        text.push_str(&format!("{}\n", limits(&report.limits)));
    }
    for failed in &report.failed {
        text.push_str(&format!("  - could not run: {}\n", failed.why));
    }
    for note in &report.notes {
        text.push_str(&format!("  - {note}\n"));
    }
    text
}

fn empty() -> Table {
    let mut table = Table::new();
    let style = UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none());
    table.load_style(style).set_content_arrangement(ContentArrangement::Disabled);
    table
}

fn arms(report: &Report) -> Table {
    let mut table = empty();
    let titles = report.columns.iter().map(|column| match suffix(column.unit) {
        "" => column.title.clone(),
        unit => format!("{} [{unit}]", column.title),
    });
    table.set_header(std::iter::once(String::new()).chain(titles).collect::<Vec<_>>());
    for row in &report.rows {
        let cells = row
            .cells
            .iter()
            .zip(&report.columns)
            .map(|(value, column)| cell(value.as_ref(), |value| digits(value, column.unit)));
        table.add_row(std::iter::once(row.arm.clone()).chain(cells).collect::<Vec<_>>());
    }
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

fn limits(limits: &[Limit]) -> Table {
    let mut table = empty();
    table.set_header(vec!["value", "measured", "limit", "verdict"]);
    for limit in limits {
        let bound = match limit.bound {
            Bound::AtMost(bound) => format!("at most {}", number(bound, limit.unit)),
            Bound::Below(bound) => format!("below {}", number(bound, limit.unit)),
            Bound::AtLeast(bound) => format!("at least {}", number(bound, limit.unit)),
        };
        let verdict = match limit.verdict {
            Verdict::Met => "met",
            Verdict::NotMet => "NOT MET",
            Verdict::Unknown => "unknown",
        };
        table.add_row(vec![
            limit.what.clone(),
            cell(limit.value.as_ref(), |value| digits(value, limit.unit)),
            bound,
            verdict.to_owned(),
        ]);
    }
    table
}

/// Formats `1290 (1270..1310)`: without the range if it is one value, `-` if there is no value.
fn cell(value: Option<&Spread>, digits: impl Fn(f64) -> String) -> String {
    let Some(value) = value else { return "-".to_owned() };
    let median = digits(value.median);
    let Some([min, max]) = value.range.map(|range| range.map(digits)) else {
        return format!("{median} (range unknown: noise)");
    };
    if min == max { median } else { format!("{median} ({min}..{max})") }
}

fn number(value: f64, unit: Unit) -> String {
    match suffix(unit) {
        "" => digits(value, unit),
        suffix => format!("{} {suffix}", digits(value, unit)),
    }
}

fn suffix(unit: Unit) -> &'static str {
    match unit {
        Unit::Nanoseconds => "ns",
        Unit::Seconds => "s",
        Unit::Bytes => "B",
        Unit::Megabytes => "MB",
        Unit::PerSecond => "M/s",
        Unit::Count | Unit::Ratio => "",
    }
}

fn digits(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Nanoseconds | Unit::Megabytes | Unit::Count => format!("{value:.0}"),
        Unit::Ratio if value.abs() < 0.1 => format!("{value:.4}"),
        Unit::Seconds | Unit::Bytes | Unit::Ratio => format!("{value:.2}"),
        Unit::PerSecond => format!("{:.2}", value / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(values: &[f64]) -> Option<Spread> {
        Spread::of(values.iter().copied().map(Some))
    }

    #[test]
    fn arms_limits_and_notes_are_shown() {
        let mut report = Report::new(&[("per fault", Unit::Nanoseconds), ("lost", Unit::Count)]);
        report.row("nothing attached", [spread(&[1290.0, 1270.4, 1310.0]), None]);
        report.row("perf record", [spread(&[2210.0]), spread(&[0.0])]);
        report.limit("migtrace / perf record", Unit::Ratio, spread(&[0.25, 0.2]), Bound::AtMost(0.3));
        report.limit("lost", Unit::Count, spread(&[7.0]), Bound::AtMost(0.0));
        report.limit("left out", Unit::Ratio, None, Bound::AtMost(1.2));
        report.notes.push("mind the gap".to_owned());
        let shown = text(&report);
        for line in [
            "                   per fault [ns]   lost ",
            "nothing attached   1290 (1270..1310)      - ",
            "perf record                     2210      0 ",
            "migtrace / perf record   0.23 (0.20..0.25)   at most 0.30   met ",
            "NOT MET",
            "left out                 -                   at most 1.20   unknown ",
            "  - mind the gap",
        ] {
            assert!(shown.contains(line), "no {line:?} in\n{shown}");
        }
    }

    #[test]
    fn a_range_lost_in_noise_is_shown_as_unknown() {
        let wide = Spread { median: 2.0, range: None, values: Vec::new() };
        assert_eq!(cell(Some(&wide), |value| value.to_string()), "2 (range unknown: noise)");
    }
}
