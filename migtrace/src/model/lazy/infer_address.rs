//! Infers the addresses of marks that have none, if the requested range leaves no choice.

use hashbrown::{HashMap, HashSet};

use super::marked_page::MarkedPage;
use crate::event::{Body, Event};
use crate::model::address::{PAGE_BYTES, page_start, pages_of};

/// For each syscall with such marks, the remaining addresses: if its range has as many pages as marks, those that no
/// event names.
pub(crate) fn remaining<'a>(
    events: &[Event],
    marks: impl IntoIterator<Item = (usize, &'a MarkedPage)>,
) -> HashMap<usize, Vec<u64>> {
    let mut by_request: HashMap<usize, (HashSet<u64>, usize)> = HashMap::new();
    for (request, marked) in marks {
        let (named, unnamed) = by_request.entry(request).or_default();
        match marked.addr {
            // All pages of a large folio count as named by the event.
            Some(addr) => named.extend((0..marked.pages).map(|n| page_start(addr) + n * PAGE_BYTES)),
            None => *unnamed += marked.pages as usize,
        }
    }
    let rest = by_request.into_iter().filter_map(|(request, (named, unnamed))| {
        let Body::Request(r) = &events[request].body else { return None };
        let (addr, len) = r.addr.zip(r.len)?;
        let pages = pages_of(addr, len);
        if unnamed == 0 || pages != named.len() as u64 + unnamed as u64 {
            return None;
        }
        let all = (0..pages).map(|n| page_start(addr) + n * PAGE_BYTES);
        let rest: Vec<u64> = all.filter(|page| !named.contains(page)).collect();
        (rest.len() == unnamed).then_some((request, rest))
    });
    rest.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{lazy::of_run::LazyMarks, nesting::Nesting},
        testkit,
    };

    #[test]
    fn pages_that_no_event_names_are_known_by_elimination_or_not_at_all() {
        let (_, events) = testkit::lazy_without_addresses(4, [1]);
        let marks = LazyMarks::new(&events, &Nesting::new(&events));
        let request = marks.request_of(&marks.list()[0]).expect("inside a request");
        let others = [0, 0x2000, 0x3000].map(|offset| testkit::SEGMENT + offset);
        assert_eq!(marks.remaining(request), Some(others.as_slice()));
        let mut fewer = events.clone();
        fewer.remove(fewer.iter().position(|e| matches!(e.body, Body::Mark(_))).expect("a mark"));
        let marks = LazyMarks::new(&fewer, &Nesting::new(&fewer));
        assert_eq!(marks.remaining(marks.request_of(&marks.list()[0]).expect("inside a request")), None);
    }
}
