//! Which request a mark is of: a thread does one thing at a time, so all marks since it began the call that returns next.

use super::{funnel::Funnel, marked_page::Marked, tracker::Funnels};
use crate::event::{Comm, Event, Request};

/// A request that marked pages, and what became of them.
#[derive(Clone, Debug)]
pub struct LazyRequest {
    /// Counts requests, from 0 on.
    pub id: u64,
    /// The number of its event; `None` while it has not returned, or where the trace lacks it.
    pub event: Option<usize>,
    pub pid: u32,
    pub tid: u32,
    pub comm: Comm,
    /// When it began, ns, or marked its first page.
    pub began_ns: u64,
    /// What it asked for, once it returned.
    pub request: Option<Request>,
    pub funnel: Funnel,
}

impl Funnels {
    /// The request that this thread's marks are of; what it asked for is known when it returns.
    pub(crate) fn opened(&mut self, event: &Event) -> u64 {
        if let Some(id) = self.open.get(&event.tid).copied().filter(|id| self.requests.contains_key(id)) {
            return id;
        }
        let id = self.begin(event);
        self.open.insert(event.tid, id);
        if self.open.len() > self.limits.requests {
            self.open.retain(|_, id| self.requests.contains_key(id));
        }
        id
    }

    fn begin(&mut self, event: &Event) -> u64 {
        let id = self.next_request;
        self.next_request += 1;
        let (pid, tid, comm, began_ns) = (event.pid, event.tid, event.comm, event.start_ns());
        let funnel = Funnel::default();
        self.requests.insert(id, LazyRequest { id, event: None, pid, tid, comm, began_ns, request: None, funnel });
        while self.requests.len() > self.limits.requests {
            self.requests.pop_first();
            self.evicted_requests += 1;
        }
        id
    }

    pub(crate) fn request(&mut self, number: usize, event: &Event, request: &Request) {
        let open = self.open.remove(&event.tid).filter(|id| self.requests.contains_key(id));
        let began_ns = event.start_ns();
        let id = match open {
            Some(id) if self.requests[&id].began_ns >= began_ns => id,
            _ if !request.is_lazy() => return,
            None => self.begin(event),
            // Marks of an earlier request are with it, whose return was not seen.
            Some(earlier) => self.part(earlier, event),
        };
        if let Some(record) = self.requests.get_mut(&id) {
            (record.event, record.began_ns, record.request) = (Some(number), began_ns, Some(request.clone()));
        }
    }

    /// A record for the request of `event`, with those of an earlier one's marks that lie inside it.
    fn part(&mut self, earlier: u64, event: &Event) -> u64 {
        let began_ns = event.start_ns();
        let is_its = |m: &Marked| m.request == Some(earlier) && m.ts_ns >= began_ns;
        let its: Vec<u64> = self.marks.iter().filter(|(_, m)| is_its(m)).map(|(n, _)| n).collect();
        let id = self.begin(event);
        for n in its {
            let Some(marked) = self.marks.get_mut(n) else { continue };
            marked.request = Some(id);
            let (fate, pages) = (marked.fate.clone(), marked.pages);
            if let Some(record) = self.requests.get_mut(&earlier) {
                record.funnel.unmark(&fate, pages);
            }
            if let Some(record) = self.requests.get_mut(&id) {
                record.funnel.mark(&fate, pages);
            }
        }
        id
    }
}
