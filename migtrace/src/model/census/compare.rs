//! A census against the books of its process.

use std::ops::Range;

use rangemap::RangeMap;

use super::{
    difference::{Difference, Differing},
    places::Places,
    report::{Owner, Report},
};
use crate::{
    event::{Census, PagePlace},
    units::PAGE_BYTES,
};

/// The differences of the last census of a process. An event that began before the census and ended after it can explain them.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending {
    /// When the reading ended.
    pub(super) ts_ns: u64,
    differing: RangeMap<u64, Differing>,
}

impl Pending {
    /// Of a census without differences.
    pub(super) fn at(ts_ns: u64) -> Self {
        Self { ts_ns, ..Self::default() }
    }

    pub(super) fn ranges(&self) -> usize {
        self.differing.len()
    }

    /// An event has put pages there: those that the census found there already are explained.
    pub(super) fn explain(&mut self, range: &Range<u64>, place: Option<PagePlace>) {
        let clip = |part: &Range<u64>| part.start.max(range.start)..part.end.min(range.end);
        let found = self.differing.overlapping(range.clone()).filter(|(_, differing)| differing.found == place);
        let explained: Vec<_> = found.map(|(part, _)| clip(part)).collect();
        explained.into_iter().for_each(|part| self.differing.remove(part));
    }

    /// Counts what is left.
    pub(super) fn settle(self, owner: &Owner, report: &mut Report) {
        for (part, differing) in self.differing.iter() {
            report.add(owner, part.start, pages(part), differing);
        }
    }
}

/// Compares, and makes the census the state of the books. Returns what differs.
pub(super) fn compare(places: &mut Places, ts_ns: u64, census: &[Census], report: &mut Report) -> Pending {
    let mut pending = Pending::at(ts_ns);
    let mut region: Option<(Range<u64>, (u64, String))> = None;
    let mut changes = Vec::new();
    let mut differ = |places: &Places, part: Range<u64>, expected, found, region: Option<&(u64, String)>| {
        let kind = Difference::of(expected, found).filter(|kind| *kind != Difference::Gone || !is_kernel_data(region));
        let Some(kind) = kind else {
            // It is still in its place, or on its way.
            if expected.is_none() || !matches!(found, Some(PagePlace::Special | PagePlace::UnknownNode)) {
                changes.push((part, found));
            }
            return;
        };
        // A page that changed while the process was read may have been read before that.
        for part in places.never(&part, found) {
            let differing = Differing { kind, expected, found, region: region.cloned() };
            pending.differing.insert(part.clone(), differing);
            changes.push((part, found));
        }
    };
    let mut last = 0;
    for run in census {
        let range = run.addr..run.addr.saturating_add(run.pages.saturating_mul(PAGE_BYTES));
        if region.as_ref().is_none_or(|(of, _)| !of.contains(&run.addr)) {
            region = Some((run.addr..run.addr.saturating_add(run.len), (run.addr, name(run))));
        }
        for (part, expected) in unmapped(places, last, range.start) {
            differ(places, part, expected, None, None);
        }
        last = range.end;
        if matches!(run.place, Some(PagePlace::Node(_))) {
            report.pages += run.pages;
        }
        for (part, expected) in places.pieces(&range) {
            if expected != run.place {
                differ(places, part, expected, run.place, region.as_ref().map(|(_, region)| region));
            }
        }
    }
    for (part, expected) in unmapped(places, last, u64::MAX) {
        differ(places, part, expected, None, None);
    }
    places.end_reading();
    for (part, found) in changes {
        match found {
            Some(place) => places.set(part, place),
            None => places.clear(part),
        }
    }
    pending
}

/// Whether a mapping shows data of the kernel, such as `[vvar]` and `[vvar_vclock]`. Its faults have nodes, but the kernel
/// shows such pages (VM_PFNMAP) as not present.
fn is_kernel_data(region: Option<&(u64, String)>) -> bool {
    region.is_some_and(|(_, name)| name.starts_with("[vvar"))
}

/// The pages that the books have between two mappings.
fn unmapped(places: &Places, from: u64, to: u64) -> Vec<(Range<u64>, Option<PagePlace>)> {
    if from >= to {
        return Vec::new();
    }
    places.pieces(&(from..to)).into_iter().filter(|(_, expected)| expected.is_some()).collect()
}

fn name(run: &Census) -> String {
    if run.name.is_empty() { run.class.word().to_owned() } else { run.name.clone() }
}

pub(super) const fn pages(range: &Range<u64>) -> u64 {
    (range.end - range.start) / PAGE_BYTES
}
