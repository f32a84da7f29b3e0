//! What "remote", "migrated pages" and "waited" mean: one definition each, for events, rows and the kernel's counts.

use crate::event::{Body, Event, Outcome};

/// Where a page is, seen from the CPU that touched it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locality {
    Local,
    Remote,
}

impl Locality {
    /// Of a page on node `page_nid`, touched by a CPU of node `cpu_nid`; `None` if one of the nodes is unknown.
    #[must_use]
    pub fn of(cpu_nid: Option<i32>, page_nid: Option<i32>) -> Option<Self> {
        let (cpu, page) = cpu_nid.zip(page_nid)?;
        Some(if cpu == page { Self::Local } else { Self::Remote })
    }

    /// The word in metrics: `local` or `remote`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
        }
    }
}

/// Pages of a folio of this order. An order that no folio has, from a damaged trace, counts as the largest.
#[must_use]
pub const fn folio_pages(order: u32) -> u64 {
    1 << if order < u64::BITS { order } else { u64::BITS - 1 }
}

/// Pages that one `migrate` event migrated (`want` is `Ok`) or failed to migrate, times its weight; `None` for all others.
#[must_use]
pub fn migrated_pages(event: &Event, want: Outcome) -> Option<u64> {
    match &event.body {
        Body::Migrate(m) if m.result == want => Some(folio_pages(m.order).saturating_mul(event.weight())),
        _ => None,
    }
}

/// As [`migrated_pages`], by the kernel's own count of a batch that migrates.
#[must_use]
pub fn batch_migrated_pages(event: &Event, want: Outcome) -> Option<u64> {
    match &event.body {
        Body::Batch(b) if !b.work.is_mark() => {
            let pages = if want == Outcome::Ok { b.done_pages() } else { b.failed };
            Some(pages.saturating_mul(event.weight()))
        }
        _ => None,
    }
}

/// Time that a thread waited in a page fault, a placement syscall or a scan for NUMA balancing, ns, times the event's weight; `None` for other events,
/// and for faults without a latency.
#[must_use]
pub fn waited_ns(event: &Event) -> Option<u64> {
    let ns = match &event.body {
        Body::Fault(f) => f.latency_ns?,
        Body::Request(r) => r.latency_ns,
        Body::Task(t) => t.latency_ns?,
        _ => return None,
    };
    Some(ns.saturating_mul(event.weight()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit;

    #[test]
    fn an_unknown_node_is_neither_local_nor_remote() {
        assert_eq!(Locality::of(Some(0), Some(0)), Some(Locality::Local));
        assert_eq!(Locality::of(Some(0), Some(1)), Some(Locality::Remote));
        assert_eq!((Locality::of(None, Some(0)), Locality::of(Some(0), None)), (None, None));
    }

    #[test]
    fn pages_of_batches_and_of_their_folios_agree() {
        let (_, events) = testkit::direct(8);
        let sum =
            |of: fn(&Event, Outcome) -> Option<u64>| events.iter().filter_map(|e| of(e, Outcome::Ok)).sum::<u64>();
        assert_eq!((sum(migrated_pages), sum(batch_migrated_pages)), (8, 8));
    }

    #[test]
    fn an_order_from_a_damaged_trace_does_not_overflow() {
        assert_eq!((folio_pages(0), folio_pages(9), folio_pages(u32::MAX)), (1, 512, 1 << 63));
    }
}
