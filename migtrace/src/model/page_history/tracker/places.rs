//! Changes of place in the histories of pages: a page keeps its history when mremap(2) moves it.

use std::ops::Range;

use super::{PageTracker, What};
use crate::{
    event::{Event, Place, PlaceChange, ProcessId},
    model::{address::PAGE_BYTES, page_history::steps::PageId},
};

impl PageTracker {
    /// Each page of the range has a step, if it is known; a page that got another frame has one in any case.
    pub(super) fn place(&mut self, event: &Event, p: &Place) {
        let process = self.processes.of_page(event);
        let what = || What::Place(Box::new(p.clone()));
        let has_other_frame = match p.what {
            PlaceChange::Cow | PlaceChange::SwapIn | PlaceChange::Ksm | PlaceChange::Migrate => true,
            PlaceChange::Uffd => p.from_addr.is_none(),
            PlaceChange::Collapse | PlaceChange::Remap | PlaceChange::Unmap | PlaceChange::MapAround => false,
        };
        if has_other_frame {
            let order = (p.len / PAGE_BYTES).max(1).ilog2();
            return self.step(process, p.addr, order, event, false, what);
        }
        let start = p.from_addr.unwrap_or(p.addr);
        for page in self.known(process, &(start..start.saturating_add(p.len))) {
            let addr = p.addr + (page.addr - start);
            if addr != page.addr && self.wants(addr, 0, event.ts_ns) {
                self.move_page(page, PageId { addr, ..page });
                self.step(process, addr, 0, event, false, what);
            } else {
                self.step(process, page.addr, 0, event, false, what);
            }
        }
    }

    /// The known pages of a process that begin in a range.
    fn known(&self, process: ProcessId, range: &Range<u64>) -> Vec<PageId> {
        let count = (range.end - range.start) / PAGE_BYTES;
        if count < self.pages.len() as u64 {
            let ids = (0..count).map(|n| PageId { process, addr: range.start + n * PAGE_BYTES });
            return ids.filter(|id| self.pages.contains_key(id)).collect();
        }
        let ids = self.pages.keys().filter(|id| id.process == process && range.contains(&id.addr));
        ids.copied().collect()
    }

    fn move_page(&mut self, from: PageId, to: PageId) {
        let Some(mut page) = self.pages.remove(&from) else { return };
        page.move_to(to, self.pages.remove(&to));
        if page.is_notable() { &mut self.notable } else { &mut self.plain }.push_back(to);
        self.pages.insert(to, page);
    }
}
