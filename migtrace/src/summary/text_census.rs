//! The censuses in a summary, as text and JSON: whether the events between explain them.

use serde_json::{Value, json};

use super::Summary;
use crate::{
    event::{PagePlace, PlaceWord, Probe},
    model::census::{Difference, Place, Report},
    text::{self, Line, Tone, escape_control},
};

/// Regions that JSON lists of each difference.
const REGIONS: usize = 100;

impl Summary {
    /// Why the events cannot explain the censuses; empty if they can.
    fn census_gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        if self.meta.sample.is_some() {
            gaps.push("only a sample of events was recorded".to_owned());
        }
        if !self.sees_moves() {
            gaps.push("migrations were not recorded".to_owned());
        }
        if self.counts.faults.is_empty() && !self.meta.best_coverage(&[Probe::Fault]).is_available() {
            gaps.push("page faults were not recorded".to_owned());
        }
        let nodes = self.counts.faults.values().fold((0, 0), |sum, f| (sum.0 + f.local + f.remote, sum.1 + f.faults));
        if nodes.0 == 0 && nodes.1 > 0 {
            gaps.push("faults have no nodes".to_owned());
        }
        let lost = self.meta.account.iter().map(|account| account.lost.values().sum::<u64>()).sum::<u64>();
        if lost > 0 {
            gaps.push(format!("{} lost", text::count(lost, "event")));
        }
        gaps
    }

    pub(super) fn census(&self, top: usize) -> Vec<Line> {
        let Some(report) = &self.census else { return Vec::new() };
        if report.compared == 0 {
            let first = text::count(report.first, "process");
            return vec![text::part(&format!("census: nothing to compare: one census of {first}"))];
        }
        let (moved, all) = (report.moved, text::count(report.pages, "page"));
        let mut lines = vec![text::part(&format!("census: unexplained: {moved} of {all}"))];
        lines.extend(listed(report, Difference::Moved, top));
        let others = [
            (Difference::Appeared, report.appeared, "on a node, not present before, and without a fault"),
            (Difference::Gone, report.gone, "on a node before, and now not present or in swap"),
        ];
        for (kind, pages, what) in others.into_iter().filter(|(_, pages, _)| *pages > 0) {
            lines.push(format!("   {}: {what}", text::count(pages, "page")).into());
            lines.extend(listed(report, kind, top.min(3)));
        }
        let gaps = self.census_gaps();
        if !gaps.is_empty() {
            lines.push(Tone::Warn.paint(format!("   incomplete: {}", gaps.join(", "))).into());
        }
        if report.dropped > 0 {
            let dropped = text::count(report.dropped, "process");
            lines.push(format!("   not compared to the end, as too large: {dropped}").into());
        }
        lines
    }

    pub(super) fn census_json(&self) -> Value {
        let Some(report) = &self.census else { return Value::Null };
        let regions = [Difference::Moved, Difference::Appeared, Difference::Gone].into_iter();
        let regions = regions.flat_map(|kind| report.regions(kind).into_iter().take(REGIONS).map(region_json));
        json!({
            "compared": report.compared,
            "first": report.first,
            "pages": report.pages,
            "unexplained": report.moved,
            "appeared": report.appeared,
            "gone": report.gone,
            "dropped": report.dropped,
            "incomplete": self.census_gaps(),
            "regions": regions.collect::<Vec<_>>(),
        })
    }
}

fn listed(report: &Report, kind: Difference, top: usize) -> Vec<Line> {
    let all = report.regions(kind);
    let of = |(place, addr, pages): &(&Place, u64, u64)| {
        let owner = format!("{} {}", escape_control(&place.owner.comm), place.owner.process.pid);
        let region = place.region.as_ref().map_or_else(|| "unmapped".to_owned(), |(_, name)| escape_control(name));
        let (expected, found) = (place_name(place.expected), place_name(place.found));
        let pages = text::count(*pages, "page");
        format!("     {owner} {region}: {pages} from {addr:#x}: expected {expected}, found {found}").into()
    };
    let mut lines: Vec<Line> = all.iter().take(top).map(of).collect();
    let more = all.len().saturating_sub(top);
    if more > 0 {
        lines.push(format!("     and {}", text::count(more as u64, "more region")).into());
    }
    lines
}

fn place_name(place: Option<PagePlace>) -> String {
    match place {
        Some(PagePlace::Node(nid)) => format!("on node {nid}"),
        Some(PagePlace::UnknownNode) => "on an unknown node".to_owned(),
        Some(PagePlace::Zero) => "the page of zeros".to_owned(),
        Some(PagePlace::Swap) => "in swap".to_owned(),
        Some(PagePlace::Special) => "a special entry".to_owned(),
        None => "not present".to_owned(),
    }
}

fn region_json((place, addr, pages): (&Place, u64, u64)) -> Value {
    let kind: &str = match place.kind {
        Difference::Moved => "unexplained",
        Difference::Appeared => "appeared",
        Difference::Gone => "gone",
    };
    json!({
        "difference": kind,
        "pid": place.owner.process.pid,
        "process_start_ns": place.owner.process.start_ns,
        "comm": place.owner.comm,
        "start": place.region.as_ref().map(|(start, _)| start),
        "name": place.region.as_ref().map(|(_, name)| name),
        "addr": addr,
        "pages": pages,
        "expected": PlaceWord::of(place.expected).word(),
        "expected_nid": place.expected.and_then(PagePlace::nid),
        "found": PlaceWord::of(place.found).word(),
        "found_nid": place.found.and_then(PagePlace::nid),
    })
}
