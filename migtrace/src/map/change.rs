//! What changed between two maps of a process, page by page.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    model::Map,
    place::{Place, Run},
    words::{place_name, region_name},
};
use crate::{
    text::{self, Line, Tone, line},
    units::PAGE_BYTES,
};

/// Regions listed below the sum.
const REGIONS: usize = 5;

/// Where pages were and are; `None`: not present.
type Step = (Option<Place>, Option<Place>);

/// Pages that changed their place, by where they were and are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steps(BTreeMap<Step, u64>);

/// The changes from one map to the next, which must have their runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// Time between both readings, ns.
    pub ns: u64,
    pub steps: Steps,
    /// Regions with changes: start, name, changes. Most changes first. A page that was in no present region is of none.
    pub regions: Vec<(u64, String, Steps)>,
    /// Pages in memory now.
    pub pages: u64,
}

impl Steps {
    /// Pages that changed.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.0.values().sum()
    }

    fn text(&self) -> String {
        let mut steps: Vec<_> = self.0.iter().collect();
        steps.sort_by_key(|(step, pages)| (std::cmp::Reverse(**pages), **step));
        let words = steps.into_iter().map(|((from, to), pages)| match (from, to) {
            (None, Some(to)) => format!("{pages} new: {}", place_name(*to)),
            (Some(from), None) => format!("{pages} gone: {}", place_name(*from)),
            (Some(from), Some(to)) => format!("{pages} {} → {}", place_name(*from), place_name(*to)),
            (None, None) => String::new(),
        });
        words.collect::<Vec<_>>().join(", ")
    }

    fn to_json(&self) -> Value {
        let place = |place: Option<Place>| place.map_or("not_present", Place::word);
        let of = |((from, to), pages): (&Step, &u64)| {
            let (from_nid, to_nid) = (from.and_then(Place::nid), to.and_then(Place::nid));
            json!({"from": place(*from), "from_nid": from_nid, "to": place(*to), "to_nid": to_nid, "pages": pages})
        };
        self.0.iter().map(of).collect()
    }
}

impl Changes {
    /// Compares two maps.
    #[must_use]
    pub fn between(old: &Map, new: &Map) -> Self {
        let runs = |map: &Map| map.regions.iter().flat_map(|region| region.runs.iter().copied()).collect::<Vec<_>>();
        let (mut steps, mut regions) = (Steps::default(), BTreeMap::<u64, Steps>::new());
        compare(&runs(old), &runs(new), |addr, pages, from, to| {
            *steps.0.entry((from, to)).or_default() += pages;
            let region = [new, old].into_iter().find_map(|map| start_of(map, addr));
            if let Some(start) = region {
                *regions.entry(start).or_default().0.entry((from, to)).or_default() += pages;
            }
        });
        let name = |start: u64| {
            let found = [new, old].into_iter().find_map(|map| map.regions.iter().find(|region| region.start == start));
            found.map(region_name).unwrap_or_default()
        };
        let mut regions: Vec<_> = regions.into_iter().map(|(start, steps)| (start, name(start), steps)).collect();
        regions.sort_by_key(|(start, _, steps)| (std::cmp::Reverse(steps.pages()), *start));
        let pages = new.counts().in_memory();
        Self { ns: new.end_ns.saturating_sub(old.end_ns), steps, regions, pages }
    }

    /// For the terminal: the sum, then the regions with most changes.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        let after = Tone::Dim.paint(format!("+{}  ", text::duration(self.ns)));
        let memory = format!("{} in memory", text::count(self.pages, "page"));
        if self.steps.pages() == 0 {
            return vec![line![after, memory, ", no change"]];
        }
        let mut lines = vec![line![after, memory, "; ", self.steps.text()]];
        for (start, name, steps) in self.regions.iter().take(REGIONS) {
            lines.push(line!["    ", Tone::Strong.paint(format!("{start:x}")), format!(" {name}: {}", steps.text())]);
        }
        let more = self.regions.len().saturating_sub(REGIONS);
        if more > 0 {
            lines.push(Tone::Dim.paint(format!("    and {}", text::count(more as u64, "more region"))).into());
        }
        lines
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let region = |(start, name, steps): &(u64, String, Steps)| json!({"start": start, "name": name, "changes": steps.to_json()});
        let regions: Vec<Value> = self.regions.iter().map(region).collect();
        json!({"after_ns": self.ns, "pages_in_memory": self.pages, "changes": self.steps.to_json(), "regions": regions})
    }
}

/// The start of the region of an address.
fn start_of(map: &Map, addr: u64) -> Option<u64> {
    let after = map.regions.partition_point(|region| region.end <= addr);
    map.regions.get(after).filter(|region| region.start <= addr).map(|region| region.start)
}

/// Calls `change` for all pages whose place differs: the first address, how many, and both places. A range of pages is in
/// one run of each list.
pub fn compare(old: &[Run], new: &[Run], mut change: impl FnMut(u64, u64, Option<Place>, Option<Place>)) {
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    let mut at = 0;
    loop {
        while old.next_if(|run| run.end() <= at).is_some() {}
        while new.next_if(|run| run.end() <= at).is_some() {}
        let heads = [old.peek(), new.peek()];
        let Some(first) = heads.iter().flatten().map(|run| run.addr).min() else { return };
        at = at.max(first);
        // The next address at which either list changes.
        let edge = |run: &&&Run| if run.addr > at { run.addr } else { run.end() };
        let Some(end) = heads.iter().flatten().map(edge).min() else { return };
        let [from, to] = heads.map(|run| run.filter(|run| run.addr <= at).map(|run| run.place));
        if from != to {
            change(at, (end - at) / PAGE_BYTES, from, to);
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn run(page: u64, pages: u64, place: Place) -> Run {
        Run { addr: page * PAGE_BYTES, pages, place }
    }

    #[test]
    fn runs_are_compared_page_by_page() {
        let (zero, one) = (Place::Node(0), Place::Node(1));
        let old = [run(1, 10, zero), run(20, 5, one), run(40, 1, Place::Swap)];
        let new = [run(0, 2, zero), run(2, 3, one), run(5, 18, zero), run(24, 2, one)];
        let mut found = Vec::new();
        compare(&old, &new, |addr, pages, from, to| found.push((addr / PAGE_BYTES, pages, from, to)));
        assert_eq!(
            found,
            [
                (0, 1, None, Some(zero)),
                (2, 3, Some(zero), Some(one)),
                (11, 9, None, Some(zero)),
                (20, 3, Some(one), Some(zero)),
                (23, 1, Some(one), None),
                (25, 1, None, Some(one)),
                (40, 1, Some(Place::Swap), None),
            ]
        );
    }

    #[test]
    fn equal_runs_have_no_change() {
        let runs = [run(1, 10, Place::Node(0)), run(11, 1, Place::Zero)];
        compare(&runs, &runs, |addr, _, from, to| panic!("{addr:#x}: {from:?} {to:?}"));
    }
}
