//! What no event explains, by region.

use std::collections::BTreeMap;

use super::difference::{Difference, Differing};
use crate::event::{PagePlace, ProcessId};

/// Regions that are listed; the others are only counted.
const REGIONS: usize = 1 << 12;

/// The process of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    pub process: ProcessId,
    pub comm: String,
}

/// Pages of a region that differ in the same way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub kind: Difference,
    pub owner: Owner,
    /// Start and name of the mapping at the census; `None`: it is not mapped any more.
    pub region: Option<(u64, String)>,
    pub expected: Option<PagePlace>,
    pub found: Option<PagePlace>,
}

/// The result of all censuses of a trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Censuses of a process that were compared with an earlier one.
    pub compared: u64,
    /// Censuses without an earlier one.
    pub first: u64,
    /// Pages found on a node, of those compared.
    pub pages: u64,
    /// Pages that are on another node than expected.
    pub moved: u64,
    /// Pages that are on a node, and were expected not to be present.
    pub appeared: u64,
    /// Pages that are not present or in swap, and were expected on a node.
    pub gone: u64,
    /// Processes that were dropped, because their books were too large.
    pub dropped: u64,
    regions: BTreeMap<Place, (u64, u64)>,
}

impl Report {
    /// Regions by difference, most pages first: what differs, the first address, and the number of pages.
    #[must_use]
    pub fn regions(&self, kind: Difference) -> Vec<(&Place, u64, u64)> {
        let all = self.regions.iter().filter(|(place, _)| place.kind == kind);
        let mut all: Vec<_> = all.map(|(place, (addr, pages))| (place, *addr, *pages)).collect();
        all.sort_by_key(|(place, _, pages)| (std::cmp::Reverse(*pages), (*place).clone()));
        all
    }

    /// Adds pages that nothing explains.
    pub(super) fn add(&mut self, owner: &Owner, addr: u64, pages: u64, differing: &Differing) {
        let kind = differing.kind;
        *match kind {
            Difference::Moved => &mut self.moved,
            Difference::Appeared => &mut self.appeared,
            Difference::Gone => &mut self.gone,
        } += pages;
        let (owner, region) = (owner.clone(), differing.region.clone());
        let place = Place { kind, owner, region, expected: differing.expected, found: differing.found };
        if self.regions.len() < REGIONS || self.regions.contains_key(&place) {
            let (first, count) = self.regions.entry(place).or_insert((addr, 0));
            *first = addr.min(*first);
            *count += pages;
        }
    }
}
