//! Marked pages whose fate is open, indexed by frame, address and process.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use hashbrown::HashMap;

use super::fate::Fate;
use crate::model::address::{PAGE_BYTES, page_start};

/// One marked page or folio.
#[derive(Clone, Debug)]
pub struct MarkedPage {
    /// Index of the mark event, from 0.
    pub event: usize,
    pub ts_ns: u64,
    /// Id of the syscall whose funnel counts it; `None` only while it is being marked.
    pub(crate) request: Option<u64>,
    pub pid: u32,
    /// Virtual address: the mark's own, or that of another event on the same frame.
    pub addr: Option<u64>,
    /// Whether `addr` comes from another event.
    pub addr_by_frame: bool,
    pub pages: u64,
    pub fate: Fate,
    pub(crate) pfn: u64,
}

/// Marked pages by number, in the order of their marks.
#[derive(Debug, Default)]
pub(crate) struct MarkedPages {
    list: BTreeMap<u64, MarkedPage>,
    /// The last open mark of each frame.
    by_frame: HashMap<u64, u64>,
    by_addr: BTreeMap<(u32, u64), u64>,
    by_process: BTreeSet<(u32, u64)>,
    next: u64,
}

impl MarkedPages {
    pub(crate) fn push(&mut self, marked: MarkedPage) -> u64 {
        let n = self.next;
        self.next += 1;
        self.by_frame.insert(marked.pfn, n);
        self.by_process.insert((marked.pid, n));
        self.by_addr.extend(marked.addr.map(|addr| ((marked.pid, page_start(addr)), n)));
        self.list.insert(n, marked);
        n
    }

    pub(crate) fn get(&self, n: u64) -> Option<&MarkedPage> {
        self.list.get(&n)
    }

    pub(crate) fn get_mut(&mut self, n: u64) -> Option<&mut MarkedPage> {
        self.list.get_mut(&n)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &MarkedPage)> {
        self.list.iter().map(|(&n, marked)| (n, marked))
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// Number of the oldest mark.
    pub(crate) fn first(&self) -> Option<u64> {
        self.list.first_key_value().map(|(&n, _)| n)
    }

    pub(crate) fn of_frame(&self, pfn: u64) -> Option<u64> {
        self.by_frame.get(&pfn).copied()
    }

    /// The open mark whose folio contains the address.
    pub(crate) fn of_addr(&self, pid: u32, addr: u64) -> Option<u64> {
        let (&(_, start), &n) = self.by_addr.range((pid, 0)..=(pid, page_start(addr))).next_back()?;
        let marked = self.list.get(&n)?;
        (addr < start.saturating_add(marked.pages * PAGE_BYTES)).then_some(n)
    }

    /// The open marks whose folios are in these addresses as a whole, by address.
    pub(crate) fn in_range(&self, pid: u32, range: &Range<u64>) -> Vec<u64> {
        let starting = self.by_addr.range((pid, range.start)..(pid, range.end));
        let ends = |start: u64, n: &u64| Some(start + self.list.get(n)?.pages * PAGE_BYTES);
        let whole = starting.filter(|&(&(_, start), n)| ends(start, n).is_some_and(|end| end <= range.end));
        whole.map(|(_, &n)| n).collect()
    }

    /// Records that open marks are at other addresses now: `marks` were in a range that began at `from` and is at `to`.
    pub(crate) fn remap(&mut self, marks: &[u64], from: u64, to: u64) {
        for n in marks {
            if let Some(marked) = self.list.get_mut(n)
                && let Some(addr) = marked.addr
            {
                self.by_addr.remove(&(marked.pid, page_start(addr)));
                let addr = addr.wrapping_sub(from).wrapping_add(to);
                marked.addr = Some(addr);
                self.by_addr.insert((marked.pid, page_start(addr)), *n);
            }
        }
    }

    /// All open marks of a process, in the order of marking.
    pub(crate) fn of_process(&self, pid: u32) -> Vec<u64> {
        self.by_process.range((pid, 0)..=(pid, u64::MAX)).map(|&(_, n)| n).collect()
    }

    pub(crate) fn has_process(&self, pid: u32) -> bool {
        self.by_process.range((pid, 0)..=(pid, u64::MAX)).next().is_some()
    }

    /// Sets an address that was found through the frame.
    pub(crate) fn locate(&mut self, n: u64, addr: u64) {
        if let Some(marked) = self.list.get_mut(&n)
            && marked.addr.is_none()
        {
            (marked.addr, marked.addr_by_frame) = (Some(addr), true);
            self.by_addr.insert((marked.pid, page_start(addr)), n);
        }
    }

    /// Records that the page migrated to another frame.
    pub(crate) fn follow(&mut self, n: u64, pfn: u64) {
        if let Some(marked) = self.list.get_mut(&n) {
            self.by_frame.remove(&marked.pfn);
            marked.pfn = pfn;
            self.by_frame.insert(pfn, n);
        }
    }

    /// Closes a mark whose fate is final.
    pub(crate) fn close(&mut self, n: u64) {
        let Some(marked) = self.list.get(&n) else { return };
        if self.by_frame.get(&marked.pfn) == Some(&n) {
            self.by_frame.remove(&marked.pfn);
        }
        let key = marked.addr.map(|addr| (marked.pid, page_start(addr)));
        if let Some(key) = key.filter(|key| self.by_addr.get(key) == Some(&n)) {
            self.by_addr.remove(&key);
        }
        self.by_process.remove(&(marked.pid, n));
    }

    pub(crate) fn remove(&mut self, n: u64) {
        self.close(n);
        self.list.remove(&n);
    }
}
