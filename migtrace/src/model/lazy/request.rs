//! Which placement syscall a mark belongs to. A thread does one thing at a time: all its marks since the syscall began
//! belong to the syscall that returns next.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::{
    funnel::Funnel,
    marked_page::{MarkedPage, MarkedPages},
};
use crate::event::{Comm, Event, Request};

/// A placement syscall that marked pages, and the fates of these pages.
#[derive(Clone, Debug)]
pub struct LazyRequest {
    /// Number of the syscall, from 0.
    pub id: u64,
    /// Index of its event; `None` until it returns, or if the trace does not have the event.
    pub event: Option<usize>,
    pub pid: u32,
    pub tid: u32,
    pub comm: Comm,
    /// When it began, or marked its first page: CLOCK_BOOTTIME, ns.
    pub began_ns: u64,
    /// Its arguments and result; known when it returns.
    pub request: Option<Request>,
    pub funnel: Funnel,
}

/// The syscalls that marked pages, in bounded memory.
#[derive(Debug)]
pub(super) struct Requests {
    by_id: BTreeMap<u64, LazyRequest>,
    /// By thread: the syscall that marks pages now.
    open: HashMap<u32, u64>,
    next: u64,
    limit: usize,
    evicted: u64,
}

impl Requests {
    pub(super) fn new(limit: usize) -> Self {
        Self { by_id: BTreeMap::new(), open: HashMap::new(), next: 0, limit, evicted: 0 }
    }

    pub(super) fn get(&self, id: u64) -> Option<&LazyRequest> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut LazyRequest> {
        self.by_id.get_mut(&id)
    }

    /// Oldest first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &LazyRequest> {
        self.by_id.values()
    }

    /// Oldest first.
    pub(super) fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut LazyRequest> {
        self.by_id.values_mut()
    }

    pub(super) const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// The syscall that the marks of this thread belong to. Its arguments are known when it returns.
    pub(super) fn open(&mut self, event: &Event) -> u64 {
        if let Some(id) = self.open.get(&event.tid).copied().filter(|id| self.by_id.contains_key(id)) {
            return id;
        }
        let id = self.begin(event);
        self.open.insert(event.tid, id);
        if self.open.len() > self.limit {
            self.open.retain(|_, id| self.by_id.contains_key(id));
        }
        id
    }

    fn begin(&mut self, event: &Event) -> u64 {
        let id = self.next;
        self.next += 1;
        let (pid, tid, comm, began_ns) = (event.pid, event.tid, event.comm, event.start_ns());
        let funnel = Funnel::default();
        self.by_id.insert(id, LazyRequest { id, event: None, pid, tid, comm, began_ns, request: None, funnel });
        while self.by_id.len() > self.limit {
            self.by_id.pop_first();
            self.evicted += 1;
        }
        id
    }

    /// A placement syscall returned; `number` is the index of its event.
    pub(super) fn end(&mut self, number: usize, event: &Event, request: &Request, marks: &mut MarkedPages) {
        let open = self.open.remove(&event.tid).filter(|id| self.by_id.contains_key(id));
        let began_ns = event.start_ns();
        let id = match open {
            Some(id) if self.by_id[&id].began_ns >= began_ns => id,
            _ if !request.is_lazy() => return,
            None => self.begin(event),
            // This thread also has marks of an earlier syscall, whose return is not in the trace.
            Some(earlier) => self.split(earlier, event, marks),
        };
        if let Some(record) = self.by_id.get_mut(&id) {
            (record.event, record.began_ns, record.request) = (Some(number), began_ns, Some(request.clone()));
        }
    }

    /// Begins a record for the syscall of `event`, and moves the marks that are nested in it from the record `earlier`.
    fn split(&mut self, earlier: u64, event: &Event, marks: &mut MarkedPages) -> u64 {
        let began_ns = event.start_ns();
        let is_nested = |m: &MarkedPage| m.request == Some(earlier) && m.ts_ns >= began_ns;
        let nested: Vec<u64> = marks.iter().filter(|(_, m)| is_nested(m)).map(|(n, _)| n).collect();
        let id = self.begin(event);
        for n in nested {
            let Some(marked) = marks.get_mut(n) else { continue };
            marked.request = Some(id);
            let (fate, pages) = (marked.fate.clone(), marked.pages);
            if let Some(record) = self.by_id.get_mut(&earlier) {
                record.funnel.unmark(&fate, pages);
            }
            if let Some(record) = self.by_id.get_mut(&id) {
                record.funnel.mark(&fate, pages);
            }
        }
        id
    }
}
