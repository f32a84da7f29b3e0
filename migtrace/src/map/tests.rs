//! A literal map as text, JSON and CSV.

use std::collections::BTreeMap;

use super::{
    HugeFrom, Map, Place, RangesFrom, Region, Run, Sources, cells::Cells, change::Changes, data, picture, text,
};
use crate::{event::ProcessId, text::Line, units::PAGE_BYTES};

/// A region with runs of pages from its start on.
fn region(start: u64, pages: u64, policy: &str, name: &str, runs: &[(u64, Place)]) -> Region {
    let mut region = Region {
        start,
        end: start + pages * PAGE_BYTES,
        permissions: "rw-p".to_owned(),
        kind: "anon",
        name: name.to_owned(),
        policy: Some(policy.to_owned()),
        huge: Some(0),
        ..Region::default()
    };
    let mut addr = start;
    for (pages, place) in runs {
        Run { addr, pages: *pages, place: *place }.append(&mut region.runs);
        region.counts.add(*place, *pages);
        addr += pages * PAGE_BYTES;
    }
    region
}

/// A map of two nodes with memory, of which one is remote.
pub(crate) fn two_nodes() -> Map {
    let (zero, one) = (Place::Node(0), Place::Node(1));
    let mut large = region(0x7f12_a400_0000, 4096, "bind:0", "", &[(1024, zero), (512, one), (100, Place::Swap)]);
    large.huge = Some(512);
    let regions = vec![
        region(0x55d0_c000_0000, 64, "default", "/usr/bin/a\u{1b}[2Jb", &[(64, zero)]),
        large,
        region(0x7f12_b000_0000, 16, "prefer (many):1", "[anon:arena]", &[(8, one), (1, Place::Zero), (7, zero)]),
        region(0x7f12_c000_0000, 16, "default", "", &[]),
    ];
    let mut cells = Cells::default();
    regions.iter().flat_map(|region| &region.runs).for_each(|run| cells.add(run));
    Map {
        process: ProcessId { pid: 4711, start_ns: Some(1_000_000_000) },
        comm: "redis".to_owned(),
        begin_ns: 5_000_000_000,
        end_ns: 5_012_300_000,
        regions,
        threads: BTreeMap::from([(0, 5)]),
        sources: Sources {
            by_frame: 1600,
            by_move_pages: 15,
            refused: None,
            ranges: RangesFrom::MemoryBlocks,
            huge: HugeFrom::PagemapScan,
        },
        cells,
    }
}

fn shown(lines: &[Line]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_map_has_totals_regions_and_a_picture() {
    let map = two_nodes();
    let lines = [text::totals(&map), text::regions(&map, 2), picture::lines(&map, 100, 6)].concat();
    insta::assert_snapshot!(shown(&lines));
}

#[test]
fn csv_has_empty_cells_for_what_has_no_meaning() {
    let mut out = Vec::new();
    data::regions_csv(&two_nodes(), &mut out).expect("memory does not fail");
    data::runs_csv(&two_nodes(), &mut out).expect("memory does not fail");
    insta::assert_snapshot!(String::from_utf8(out).expect("text"));
}

#[test]
fn what_is_unknown_is_null() {
    let mut map = two_nodes();
    map.threads.clear();
    map.regions.iter_mut().for_each(|region| (region.huge, region.policy) = (None, None));
    map.sources.huge = HugeFrom::Nothing;
    let json = data::to_json(&map);
    assert!(json["remote"].is_null() && json["huge"].is_null() && json["regions"][1]["off_policy"].is_null(), "{json}");
    let text = shown(&text::totals(&map));
    assert!(
        text.contains("unknown: no thread's node is known") && text.contains("unknown (neither PAGEMAP_SCAN"),
        "{text}"
    );
}

#[test]
fn changes_are_listed_by_region() {
    let old = two_nodes();
    let mut new = two_nodes();
    new.end_ns += 2_000_000_000;
    new.regions[1].runs = vec![Run { addr: new.regions[1].start, pages: 1700, place: Place::Node(0) }];
    new.regions[2].runs.clear();
    insta::assert_snapshot!(shown(&Changes::between(&old, &new).lines()));
    let same = Changes::between(&old, &old);
    assert_eq!(shown(&same.lines()), "+0 ns  1615 pages in memory, no change\n");
    assert_eq!(same.to_json()["changes"], serde_json::json!([]));
}
