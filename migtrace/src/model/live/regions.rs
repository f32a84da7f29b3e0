//! The regions of one process: its mappings if they were recorded, else ranges of addresses with page faults.

use std::collections::BTreeMap;

use super::{counts::Counts, nodes::Nodes};
use crate::{
    event::{Body, Event, Fault, FaultClass, Outcome, Policy, Region as Mapping, RegionClass},
    model::{
        address::{PAGE_BYTES, page_start},
        measure::folio_pages,
    },
};

/// Limit of regions of one process.
pub const REGIONS: usize = 2048;
/// A fault at most this far from a range extends it, bytes.
const NEAR_BYTES: u64 = 4 << 20;

/// A region.
#[derive(Clone, Debug, Default)]
pub struct Region {
    /// End address (exclusive).
    pub end: u64,
    /// The recorded mapping; `None` for a range of addresses with page faults.
    pub mapping: Option<Shown>,
    pub counts: Counts,
    /// Pages by the node where they were last seen: an estimate.
    pub pages: Nodes,
    /// Time of its last event, ns.
    pub last_ns: u64,
}

/// What the kernel reports about a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub class: RegionClass,
    /// Name of the mapped file; empty if there is none. Not escaped.
    pub name: String,
    pub policy: Option<Policy>,
}

/// All regions of one process.
#[derive(Clone, Debug, Default)]
pub struct Regions {
    by_start: BTreeMap<u64, Region>,
    left_out: u64,
}

impl Regions {
    pub(super) fn feed(&mut self, event: &Event, counts: &Counts) {
        if let Body::Region(mapping) = &event.body {
            self.map(mapping, event.ts_ns);
            return;
        }
        let Some(addr) = event.addr() else { return };
        if !matches!(event.body, Body::Fault(_) | Body::Check(_) | Body::Mark(_) | Body::Migrate(_)) {
            return;
        }
        let Some(region) = self.of_addr(addr) else {
            self.left_out += counts.events;
            return;
        };
        region.counts.add(counts);
        region.last_ns = event.ts_ns;
        place(&mut region.pages, event);
    }

    fn map(&mut self, mapping: &Mapping, ts_ns: u64) {
        if self.by_start.len() >= REGIONS && !self.by_start.contains_key(&mapping.addr) {
            self.left_out += 1;
            return;
        }
        let region = self.by_start.entry(mapping.addr).or_default();
        region.end = mapping.addr.saturating_add(mapping.len);
        region.last_ns = ts_ns;
        let name = mapping.name.clone();
        region.mapping = Some(Shown { class: mapping.class, name, policy: mapping.policy });
    }

    /// The region of an address, created if needed; `None` if there are too many.
    fn of_addr(&mut self, addr: u64) -> Option<&mut Region> {
        let before = self.by_start.range(..=addr).next_back();
        let before = before.map(|(start, r)| (*start, r.end, r.mapping.is_some()));
        if let Some((start, end, is_mapping)) = before
            && (addr < end || (!is_mapping && addr - end < NEAR_BYTES))
        {
            let region = self.by_start.get_mut(&start)?;
            if !is_mapping {
                region.end = region.end.max(page_end(addr));
            }
            return Some(region);
        }
        // A range can also grow downwards, as stacks do.
        let behind = self.by_start.range(addr..).next().map(|(start, r)| (*start, r.mapping.is_some()));
        let start = page_start(addr);
        if let Some((old, false)) = behind
            && old - start < NEAR_BYTES
        {
            let region = self.by_start.remove(&old)?;
            return Some(self.by_start.entry(start).or_insert(region));
        }
        if self.by_start.len() >= REGIONS {
            return None;
        }
        let new = || Region { end: page_end(addr), ..Region::default() };
        Some(self.by_start.entry(start).or_insert_with(new))
    }

    /// All regions, by address.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Region)> {
        self.by_start.iter().map(|(start, region)| (*start, region))
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.by_start.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_start.is_empty()
    }

    /// Events and mappings beyond the limit of regions.
    #[must_use]
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }
}

const fn page_end(addr: u64) -> u64 {
    page_start(addr).saturating_add(PAGE_BYTES)
}

/// Updates the nodes of pages after an event.
pub(super) fn place(pages: &mut Nodes, event: &Event) {
    match &event.body {
        Body::Fault(Fault { nid: Some(nid), class, major, .. }) => {
            // These faults do not map a new page.
            let again = matches!(class, Some(FaultClass::Hinting | FaultClass::Cow))
                || (*class == Some(FaultClass::Swap) && *major == Some(false));
            if !again {
                pages.add(*nid, event.weight());
            }
        }
        Body::Migrate(m) if m.result == Outcome::Ok => {
            let count = folio_pages(m.order).saturating_mul(event.weight());
            if let Some(to) = m.dst_nid {
                pages.take(m.src_nid, count);
                pages.add(to, count);
            }
        }
        _ => {}
    }
}
