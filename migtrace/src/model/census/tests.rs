use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    event::{
        Body, Cause, Census, Event, Migrate, Outcome, PagePlace, Place, PlaceChange, RegionClass, Task, TaskEvent,
    },
    testkit,
    units::PAGE_BYTES,
};

const PID: u32 = 70;
const START: u64 = 0x7f00_0000_0000;
/// Duration of a census.
const READING_NS: u64 = 100;

fn event(pid: u32, ts_ns: u64, body: Body) -> Event {
    Event { pid, tid: pid, process_start_ns: Some(5), ..Event::at(ts_ns, body) }
}

const fn addr(page: u64) -> u64 {
    START + page * PAGE_BYTES
}

/// A mapping of 64 pages at one moment: nodes of its first pages, `-1` for a page that is not present.
fn census(pid: u32, ts_ns: u64, nodes: &[i32]) -> Vec<Event> {
    let run = |(page, nid): (u64, &i32)| Census {
        addr: addr(page),
        pages: 1,
        place: (*nid >= 0).then_some(PagePlace::Node(*nid)),
        reading_ns: READING_NS,
        len: 64 * PAGE_BYTES,
        class: RegionClass::Anon,
        permissions: "rw-p".into(),
        name: String::new(),
        policy: None,
        nodes: None,
    };
    (0..).zip(nodes).map(|node| event(pid, ts_ns, Body::Census(Box::new(run(node))))).collect()
}

fn migrate(pid: u32, ts_ns: u64, latency_ns: u64, page: u64, (from, to): (i32, i32)) -> Event {
    let body = Migrate {
        addr: Some(addr(page)),
        order: 0,
        src_nid: from,
        dst_nid: Some(to),
        result: Outcome::Ok,
        reason: None,
        latency_ns: Some(latency_ns),
        ..testkit::moved(0, Cause::MovePages)
    };
    event(pid, ts_ns, body.into())
}

fn task(pid: u32, ts_ns: u64, what: TaskEvent, target_pid: Option<u32>) -> Event {
    let body = Task { what, from_node: None, to_node: None, target_pid, pages: None, latency_ns: None };
    event(pid, ts_ns, Body::Task(body))
}

fn report(parts: &[Vec<Event>]) -> Report {
    let mut events = parts.concat();
    events.sort_by_key(|event| event.ts_ns);
    let mut windows = Windows::default();
    for event in events.iter().filter(|event| matches!(event.body, Body::Census(_))) {
        windows.add(event.pid, event.start_ns(), event.ts_ns);
    }
    let mut books = Books::new(windows, Limits::default());
    events.iter().for_each(|event| books.take(event));
    books.finish()
}

fn counts(report: &Report) -> [u64; 4] {
    [report.pages, report.moved, report.appeared, report.gone]
}

#[test]
fn what_events_show_is_explained_and_what_they_do_not_is_counted() {
    let first = census(PID, 1_000, &[0, 0, 1, -1, 2]);
    let last = census(PID, 9_000, &[1, 1, 1, 3, -1]);
    let all = [0, 1].map(|page| migrate(PID, 2_000 + page, 10, page, (0, 1))).to_vec();
    let found = report(&[first.clone(), all.clone(), last.clone()]);
    assert_eq!(counts(&found), [4, 0, 1, 1]);
    let found = report(&[first.clone(), all[..1].to_vec(), last.clone()]);
    assert_eq!(counts(&found), [4, 1, 1, 1]);
    let moved = found.regions(Difference::Moved);
    let [(place, first_addr, pages)] = moved[..] else { panic!("{moved:?}") };
    assert_eq!((place.expected, place.found), (Some(PagePlace::Node(0)), Some(PagePlace::Node(1))));
    assert_eq!((place.region.clone(), first_addr, pages), (Some((START, "anon".to_owned())), addr(1), 1));
    // Another process's migration is not that of this page.
    let others = all.into_iter().map(|event| Event { pid: 71, ..event }).collect();
    assert_eq!(counts(&report(&[first, others, last])), [4, 2, 1, 1]);
}

#[test]
fn a_difference_is_counted_once() {
    let nodes = [[0], [1], [1]];
    let parts: Vec<_> = (1..).zip(nodes).map(|(n, nodes)| census(PID, n * 1_000, &nodes)).collect();
    let found = report(&parts);
    assert_eq!((counts(&found), found.compared, found.first), ([2, 1, 0, 0], 2, 1));
}

/// A page that migrates while the process is read may have been read before or after that.
#[test]
fn a_change_while_the_process_is_read_explains_both_places() {
    for seen in [0, 1] {
        // Within the reading; and begun within it, and ended after it.
        for (ts_ns, latency_ns) in [(4_950, 10), (5_050, 100)] {
            let moved = vec![migrate(PID, ts_ns, latency_ns, 0, (0, 1))];
            let parts = |at_last| {
                [census(PID, 1_000, &[0]), census(PID, 5_000, &[seen]), moved.clone(), census(PID, 9_000, &[at_last])]
            };
            assert_eq!(counts(&report(&parts(1))), [2, 0, 0, 0], "seen on node {seen}, event at {ts_ns}");
            assert_eq!(counts(&report(&parts(0))), [2, 1, 0, 0], "it never came back");
            // The first census, too.
            let parts = [census(PID, 5_000, &[seen]), moved, census(PID, 9_000, &[1])];
            assert_eq!(counts(&report(&parts)), [1, 0, 0, 0], "first seen on node {seen}, event at {ts_ns}");
        }
    }
    // Before and after the reading, it explains only one.
    let early = vec![migrate(PID, 4_850, 10, 0, (0, 1))];
    assert_eq!(report(&[census(PID, 1_000, &[0]), early, census(PID, 5_000, &[0])]).moved, 1);
    let late = vec![migrate(PID, 5_050, 10, 0, (0, 1))];
    assert_eq!(report(&[census(PID, 1_000, &[0]), late, census(PID, 5_000, &[1])]).moved, 1);
}

#[test]
fn a_child_has_its_parents_pages_and_a_new_program_none() {
    let (child, fork) = (71, vec![task(PID, 2_000, TaskEvent::Fork, Some(71))]);
    let moved = vec![migrate(child, 3_000, 1, 0, (0, 1))];
    let end = census(child, 9_000, &[1, 1]);
    let found = report(&[census(PID, 1_000, &[0, 1]), fork.clone(), moved.clone(), end.clone()]);
    assert_eq!((counts(&found), found.compared), ([2, 0, 0, 0], 1));
    let found = report(&[census(PID, 1_000, &[0, 1]), fork.clone(), end.clone()]);
    assert_eq!(counts(&found), [2, 1, 0, 0]);
    let exec = vec![task(child, 2_500, TaskEvent::Exec, None)];
    let found = report(&[census(PID, 1_000, &[0, 1]), fork, exec, end]);
    assert_eq!((found.compared, found.first), (0, 2));
}

fn place(ts_ns: u64, what: PlaceChange, page: u64, pages: u64, place: Place) -> Vec<Event> {
    let body = Place { what, addr: addr(page), len: pages * PAGE_BYTES, ..place };
    vec![event(PID, ts_ns, Body::Place(Box::new(body)))]
}

#[test]
fn changes_of_place_explain_nodes_and_addresses() {
    let none = Place { what: PlaceChange::Cow, addr: 0, len: 0, from_addr: None, src_nid: None, dst_nid: None };
    let on = |nid| Place { src_nid: Some(0), dst_nid: Some(nid), ..none.clone() };
    let from = |page| Place { from_addr: Some(addr(page)), ..none.clone() };
    let first = census(PID, 1_000, &[0, 0, 1, 2, -1, -1]);
    let last = census(PID, 9_000, &[2, 1, -1, -1, -1, 2]);
    let changes = [
        place(2_000, PlaceChange::Cow, 0, 1, on(2)),
        place(2_100, PlaceChange::Collapse, 1, 1, on(1)),
        place(2_200, PlaceChange::Unmap, 2, 1, none.clone()),
        place(2_300, PlaceChange::Remap, 5, 1, from(3)),
    ];
    let all = [vec![first.clone()], changes.to_vec(), vec![last.clone()]].concat();
    assert_eq!(counts(&report(&all)), [3, 0, 0, 0]);
    // Two other nodes; one page at a new address, and two gone.
    assert_eq!(counts(&report(&[first.clone(), last])), [3, 2, 1, 2]);
    // The first census has the page at its new address already.
    let during = place(950, PlaceChange::Remap, 5, 1, from(3));
    let seen = census(PID, 1_000, &[0, 0, 0, -1, -1, 2]);
    let after = census(PID, 9_000, &[0, 0, 0, -1, -1, 2]);
    assert_eq!(counts(&report(&[during, seen, after])), [4, 0, 0, 0]);
}

/// userfaultfd moves a range as mremap does, and fills pages. A further mapping of a folio migrates only where the page was.
#[test]
fn further_mappings_and_userfaultfd_explain_nodes_and_addresses() {
    let none = Place { what: PlaceChange::Uffd, addr: 0, len: 0, from_addr: None, src_nid: None, dst_nid: None };
    let migrated = Place { src_nid: Some(0), dst_nid: Some(3), ..none.clone() };
    let filled = Place { dst_nid: Some(1), ..none.clone() };
    let first = census(PID, 1_000, &[0, 1, 2, -1, -1]);
    let last = census(PID, 9_000, &[3, 1, -1, 1, 2]);
    let changes = [
        place(2_000, PlaceChange::Migrate, 0, 2, migrated),
        place(2_100, PlaceChange::Uffd, 3, 1, filled),
        place(2_200, PlaceChange::Uffd, 4, 1, Place { from_addr: Some(addr(2)), ..none }),
    ];
    let all = [vec![first.clone()], changes.to_vec(), vec![last.clone()]].concat();
    assert_eq!(counts(&report(&all)), [4, 0, 0, 0]);
    assert_eq!(counts(&report(&[first, last])), [4, 1, 2, 1]);
}

/// The kernel shows such pages as not present in pagemap, while their page-table entries have nodes.
#[test]
fn data_of_the_kernel_is_not_gone() {
    let named = |name: &str, events: Vec<Event>| -> Vec<Event> {
        let name_it = |mut event: Event| {
            if let Body::Census(census) = &mut event.body {
                census.name = name.to_owned();
            }
            event
        };
        events.into_iter().map(name_it).collect()
    };
    let gone = |name: &str| {
        let censuses = [census(PID, 1_000, &[0]), census(PID, 9_000, &[-1])].map(|events| named(name, events));
        report(&censuses).gone
    };
    assert_eq!(["[vvar]", "[vvar_vclock]", "[heap]"].map(gone), [0, 0, 1]);
}

#[test]
fn books_that_are_too_large_are_dropped_and_counted() {
    let mut windows = Windows::default();
    windows.add(PID, 900, 1_000);
    let mut books = Books::new(windows, Limits { ranges: 3 });
    let events = [census(PID, 1_000, &[0, 1, 0, 1]), census(71, 2_000, &[0]), census(71, 3_000, &[0])];
    events.concat().iter().for_each(|event| books.take(event));
    let found = books.finish();
    assert_eq!((found.dropped, found.compared), (1, 1));
}

/// Pages one by one.
type Naive = BTreeMap<u64, PagePlace>;

fn apply(naive: &mut Naive, change: &Change) {
    let pages = |range: &std::ops::Range<u64>| (range.start..range.end).step_by(PAGE_BYTES as usize);
    match change {
        Change::Set(range, place) => naive.extend(pages(range).map(|page| (page, *place))),
        Change::Clear(range) => naive.retain(|page, _| !range.contains(page)),
        Change::Migrate { range, from, to } => {
            for page in pages(range).filter(|page| naive.get(page) == Some(&PagePlace::Node(*from))).collect::<Vec<_>>()
            {
                naive.insert(page, PagePlace::Node(*to));
            }
        }
        Change::Remap { range, to } => {
            let moved: Vec<_> = pages(range).map(|page| (page - range.start, naive.remove(&page))).collect();
            for (offset, place) in moved {
                naive.extend(place.map(|place| (to + offset, place)));
            }
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let range = (0_u64..40, 1_u64..12).prop_map(|(page, pages)| addr(page)..addr(page + pages));
    let place = prop_oneof![(0..3).prop_map(PagePlace::Node), Just(PagePlace::Swap), Just(PagePlace::Zero)];
    prop_oneof![
        4 => (range.clone(), place).prop_map(|(range, place)| Change::Set(range, place)),
        1 => range.clone().prop_map(Change::Clear),
        4 => (range.clone(), 0..3, 0..3).prop_map(|(range, from, to)| Change::Migrate { range, from, to }),
        1 => (range, 0_u64..40).prop_map(|(range, page)| Change::Remap { range, to: addr(60 + page) }),
    ]
}

proptest! {
    #[test]
    fn ranges_hold_what_single_pages_do(changes in proptest::collection::vec(change(), 0..40)) {
        let (mut places, mut naive) = (Places::default(), Naive::new());
        for change in changes {
            apply(&mut naive, &change);
            places.apply(change);
            let pages = places.iter().flat_map(|(range, place)| {
                (range.start..range.end).step_by(PAGE_BYTES as usize).map(move |page| (page, place))
            });
            prop_assert_eq!(pages.collect::<Naive>(), naive.clone());
        }
    }

    #[test]
    fn each_hidden_change_of_a_page_is_counted(
        before in proptest::collection::vec(-1..3_i32, 1..40),
        moves in proptest::collection::vec((0..40_usize, 0..3_i32, any::<bool>()), 0..60),
    ) {
        let (mut truth, mut shown) = (before.clone(), before.clone());
        let mut events = vec![census(PID, 1_000, &before)];
        for (n, (page, to, is_shown)) in (0..).zip(moves) {
            let Some(from) = truth.get(page).copied().filter(|from| *from >= 0 && *from != to) else { continue };
            truth[page] = to;
            if is_shown {
                events.push(vec![migrate(PID, 2_000 + n, 1, page as u64, (from, to))]);
                if shown[page] == from {
                    shown[page] = to;
                }
            }
        }
        let expected = truth.iter().zip(&shown).filter(|(truth, shown)| truth != shown).count() as u64;
        events.push(census(PID, 9_000, &truth));
        let found = report(&events);
        prop_assert_eq!((found.moved, found.appeared, found.gone), (expected, 0, 0));
    }
}
