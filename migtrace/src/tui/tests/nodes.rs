//! Nodes: live and in a recording, with gaps in their numbers, and with what is not known.

use super::{App, START_NS, View, poor, press, screen, testkit, typed, whole};
use crate::{
    counts::{Count, Counts, Sort},
    event::{Body, Cause, Event, NodeChange, NodeFacts, NumaPages, Outcome},
    recording::{Meta, Node, Topology},
};

const SECOND_NS: u64 = 1_000_000_000;
const SIZES: [(u16, u16); 4] = [(60, 16), (80, 24), (120, 40), (200, 60)];

/// Nodes 0, 2 and 5: with both, with memory only, with CPUs only.
fn facts(second: u64) -> [NodeFacts; 3] {
    let facts = |nid, cpus: &str, mem_bytes, tier, hit| NodeFacts {
        nid,
        change: None,
        cpus: Some(cpus.into()),
        mem_bytes: Some(mem_bytes),
        free_bytes: Some(mem_bytes / 4),
        tier,
        pages: NumaPages {
            hit: Some(hit * second),
            miss: Some(hit / 2 * second),
            foreign: Some(if mem_bytes == 0 { 700 * second } else { 0 }),
            ..NumaPages::default()
        },
    };
    [facts(0, "0-3,8", 1 << 30, Some(4), 1500), facts(2, "", 1 << 32, Some(10), 20), facts(5, "4-7", 0, None, 0)]
}

fn readings(seconds: impl IntoIterator<Item = u64>) -> Vec<Event> {
    let read =
        |second| facts(second).map(|facts| Event::at(START_NS + second * SECOND_NS, Body::Node(Box::new(facts))));
    seconds.into_iter().flat_map(read).collect()
}

fn meta() -> Meta {
    let node = |nid| Node { nid, ..Node::default() };
    Meta { topology: Topology { nodes: [0, 2, 5].map(node).to_vec() }, ..testkit::direct(8).0 }
}

/// `pages` pages at once from node 0 to node 2, and one to another frame of node 2.
fn moves(second: u64, pages: u64) -> Vec<Event> {
    let (_, events) = testkit::direct(8);
    let found = events.into_iter().find(|event| matches!(event.body, Body::Migrate(_)));
    let mut event = found.expect("it has migrations");
    event.ts_ns = START_NS + second * SECOND_NS + 5;
    let mut across = |from| {
        if let Body::Migrate(m) = &mut event.body {
            (m.src_nid, m.dst_nid) = (from, Some(2));
        }
        event.clone()
    };
    let mut events = vec![across(0); pages as usize];
    events.push(across(2));
    events
}

/// The row of a node, in words.
fn row<'a>(screen: &'a str, nid: &str) -> Vec<&'a str> {
    let is = |line: &&str| line.split_whitespace().next() == Some(nid);
    screen.lines().find(is).unwrap_or_else(|| panic!("{screen}")).split_whitespace().collect()
}

/// A live screen that the tests' `screen` advances by two seconds.
fn live_for(seconds: u64, pages: u64) -> App {
    let mut events = readings(0..=seconds);
    events.extend(moves(seconds - 1, pages));
    events.sort_by_key(|event| event.ts_ns);
    let mut app = App::new(meta(), super::Source::Live, super::Keymap::default(), (80, 24));
    events.iter().for_each(|event| app.feed(event));
    app.tick(START_NS + seconds * SECOND_NS + 10);
    app.tick_ns = 0;
    app
}

#[test]
fn nodes_have_memory_rates_and_migrations() {
    for (columns, rows) in SIZES {
        let text = screen(&mut live_for(3, 40), View::Nodes, (columns, rows));
        insta::assert_snapshot!(format!("nodes_{columns}x{rows}"), text);
    }
}

#[test]
fn in_a_recording_rates_are_means() {
    let (meta, mut events) = (Meta { start_ns: START_NS, end_ns: None, ..meta() }, readings(0..=4));
    events.extend(moves(2, 40));
    events.sort_by_key(|event| event.ts_ns);
    let text = screen(&mut whole((meta, events)), View::Nodes, (120, 24));
    assert_eq!(row(&text, "0")[8..], ["1.50k", "750", "0", "0", "10", "0", "40", "0-3,8"], "{text}");
    assert_eq!(row(&text, "2")[9..], ["20", "10", "0", "10", "0", "40", "0"], "{text}");
    assert_eq!(row(&text, "5"), ["5", "CPUs", "only", "0", "B", "0", "B", "0", "0", "700", "0", "0", "0", "0", "4-7"]);
}

#[test]
fn migrations_that_the_kernel_counted_have_rates() {
    let mut app = live_for(3, 0);
    let sort =
        Sort::Migrate { cause: Cause::Mbind, result: Outcome::Ok, reason: None, src_nid: Some(5), dst_nid: Some(0) };
    app.count(Counts::default(), START_NS + 3 * SECOND_NS);
    let count = Count { events: 2, pages: 1024, ..Count::default() };
    app.count(Counts { sorts: [(sort, count)].into(), ..Counts::default() }, START_NS + 4 * SECOND_NS);
    app.tick(START_NS + 5 * SECOND_NS);
    app.tick_ns = 0;
    let text = screen(&mut app, View::Nodes, (120, 24));
    assert_eq!(row(&text, "0")[11..15], ["1.02k", "0", "1.02k", "0"], "{text}");
}

#[test]
fn what_is_not_known_of_a_node_is_never_0() {
    // No readings, and no kernel that shows nodes of migrated pages.
    let (meta, events) = poor();
    let text = screen(&mut whole((meta, events)), View::Nodes, (120, 24));
    assert_eq!(row(&text, "0"), [&["0"][..], &["?"; 13]].concat(), "{text}");
    assert!(text.contains("? = not known. Pages migrated: ") && text.contains("has no readings of nodes"), "{text}");
    // A kernel that does not count allocations, or has no tiers.
    let mut app = live_for(1, 0);
    let mut facts = facts(2);
    facts[0].pages = NumaPages::default();
    (facts[0].tier, facts[0].free_bytes) = (None, None);
    let first = facts[0].clone();
    app.feed(&Event::at(START_NS + 2 * SECOND_NS, Body::Node(Box::new(first))));
    let text = screen(&mut app, View::Nodes, (120, 24));
    assert_eq!(row(&text, "0")[..9], ["0", "CPUs+memory", "?", "1", "GiB", "?", "?", "?", "?"], "{text}");
}

#[test]
fn a_node_that_went_offline_says_so() {
    let mut app = live_for(3, 40);
    let gone = NodeFacts { nid: 2, change: Some(NodeChange::Offline), ..NodeFacts::default() };
    app.feed(&Event::at(START_NS + 4 * SECOND_NS, Body::Node(Box::new(gone))));
    let text = screen(&mut app, View::Nodes, (120, 24));
    assert_eq!(row(&text, "2"), ["2", "offline", "0", "0", "40", "0"], "{text}");
    assert!(!screen(&mut app, View::Overview, (120, 40)).contains("n2 1 GiB free"));
}

#[test]
fn no_filter_excludes_nodes() {
    let mut app = whole((meta(), Vec::new()));
    press(&mut app, "/");
    typed(&mut app, "kind == fault");
    press(&mut app, "enter");
    readings(0..=1).iter().for_each(|event| app.feed(event));
    let text = screen(&mut app, View::Nodes, (120, 24));
    assert_eq!(row(&text, "2")[1..3], ["memory", "only"], "{text}");
    assert_eq!(app.not_counted.filtered, 0);
}

#[test]
fn nodes_are_sorted_and_found() {
    let mut app = live_for(3, 40);
    let first = |app: &mut App| {
        let text = screen(app, View::Nodes, (120, 24));
        text.lines().nth(3).and_then(|line| line.split_whitespace().next()).unwrap_or_default().to_owned()
    };
    assert_eq!(first(&mut app), "0");
    press(&mut app, "R");
    assert_eq!(first(&mut app), "5");
    press(&mut app, "f");
    typed(&mut app, "memory only");
    press(&mut app, "enter");
    let text = super::save::text_of(&app, super::Theme::default(), 120, 24);
    assert!(text.contains("memory only") && !text.contains("CPUs only"), "{text}");
}

/// A distance is by the place of a node in the list of nodes, not by its number.
#[test]
fn gaps_in_node_numbers_leave_distances_and_order_right() {
    let node = |nid, distances: [u32; 3]| Node { nid, distances: distances.to_vec(), ..Node::default() };
    let nodes = vec![node(4, [10, 21, 31]), node(9, [21, 10, 17]), node(10, [31, 17, 10])];
    let meta = Meta { topology: Topology { nodes }, ..meta() };
    let mut app = whole((meta, Vec::new()));
    let text = screen(&mut app, View::Overview, (120, 40));
    assert_eq!(row(&text, "n4")[..4], ["n4", "·10", "·21", "·31"], "{text}");
    assert_eq!(row(&text, "n10")[..4], ["n10", "·31", "·17", "·10"], "{text}");
    let text = screen(&mut app, View::Nodes, (80, 24));
    let numbers: Vec<_> = text.lines().skip(3).take(3).map(|line| line.split_whitespace().next()).collect();
    assert_eq!(numbers, ["4", "9", "10"].map(Some), "{text}");
}

/// A number that is cut could be read as another one.
#[test]
fn no_width_cuts_a_value() {
    let mut app = live_for(3, 40);
    for (second, nid) in [(4, 0), (5, 0), (4, 123), (5, 123)] {
        let large = |per_second: u64| Some(per_second * second);
        let pages =
            NumaPages { hit: large(12_345_678), miss: large(999_400), foreign: large(99_940), ..NumaPages::default() };
        let facts = NodeFacts {
            nid,
            cpus: Some("0-15".into()),
            mem_bytes: Some(1023 << 30),
            free_bytes: Some(1022 << 20),
            tier: Some(961),
            pages,
            ..NodeFacts::default()
        };
        app.feed(&Event::at(START_NS + second * SECOND_NS, Body::Node(Box::new(facts))));
    }
    for columns in 60..=140 {
        let text = screen(&mut app, View::Nodes, (columns, 24));
        let rows = text.lines().skip(2).take(5).collect::<Vec<_>>().join("\n");
        assert!(!rows.contains('…') && rows.contains("1022 MiB"), "{columns}\n{rows}");
    }
}
