//! The node of a page frame: from the memory blocks of each node, else from the zones in /proc/zoneinfo.
//!
//! With memory hotplug configured, each node's directory in /sys has a link for each of its memory blocks. A block that
//! several nodes have a part of is linked from each. Zones list where they start and how far they span, which includes the
//! memory of other nodes inside. What is in the range of several nodes is unknown here.

use std::{fs, ops::Range, path::Path};

use crate::{map::model::RangesFrom, units::PAGE_BYTES};

/// Page frames of each node.
#[derive(Clone, Debug)]
pub(crate) struct FrameNodes {
    /// In order, without overlaps. `None`: a range of several nodes.
    ranges: Vec<(Range<u64>, Option<i32>)>,
    pub(crate) from: RangesFrom,
}

impl FrameNodes {
    /// Those of this machine.
    pub(crate) fn read() -> Self {
        let blocks = of_blocks(Path::new("/sys/devices/system"));
        if !blocks.is_empty() {
            return Self { ranges: flatten(blocks), from: RangesFrom::MemoryBlocks };
        }
        let zones = of_zones(&fs::read_to_string("/proc/zoneinfo").unwrap_or_default());
        let from = if zones.is_empty() { RangesFrom::Nothing } else { RangesFrom::Zoneinfo };
        Self { ranges: flatten(zones), from }
    }

    /// The node of a frame, and the frames around it with the same answer. `None`: unknown.
    pub(crate) fn node(&self, pfn: u64) -> (Option<i32>, Range<u64>) {
        let after = self.ranges.partition_point(|(range, _)| range.end <= pfn);
        match self.ranges.get(after) {
            Some((range, nid)) if range.contains(&pfn) => (*nid, range.clone()),
            _ => (None, pfn..pfn + 1),
        }
    }
}

/// The memory blocks of each node as frames.
fn of_blocks(system: &Path) -> Vec<(Range<u64>, i32)> {
    // In hexadecimal without a prefix.
    let size = fs::read_to_string(system.join("memory/block_size_bytes")).ok();
    let size = size.and_then(|text| u64::from_str_radix(text.trim(), 16).ok()).map(|bytes| bytes / PAGE_BYTES);
    let Some(size) = size.filter(|frames| *frames > 0) else { return Vec::new() };
    let numbers = |dir: &Path, prefix: &str| -> Vec<u64> {
        let names = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.file_name());
        names.filter_map(|name| name.to_str()?.strip_prefix(prefix)?.parse().ok()).collect()
    };
    let nodes = system.join("node");
    let mut ranges = Vec::new();
    for nid in numbers(&nodes, "node") {
        let blocks = numbers(&nodes.join(format!("node{nid}")), "memory");
        ranges.extend(blocks.into_iter().map(|block| (block * size..(block + 1) * size, nid as i32)));
    }
    ranges
}

/// The spans of zones with memory.
fn of_zones(zoneinfo: &str) -> Vec<(Range<u64>, i32)> {
    let (mut ranges, mut node, mut spanned) = (Vec::new(), None, 0);
    for line in zoneinfo.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words[..] {
            ["Node", nid, "zone", _] => (node, spanned) = (nid.trim_end_matches(',').parse().ok(), 0),
            ["spanned", pages] => spanned = pages.parse().unwrap_or(0),
            ["start_pfn:", pfn] => {
                if let (Some(nid), Ok(start)) = (node, pfn.parse::<u64>())
                    && spanned > 0
                {
                    ranges.push((start..start + spanned, nid));
                }
            }
            _ => {}
        }
    }
    ranges
}

/// Cuts ranges where they overlap. A part in ranges of several nodes has none.
fn flatten(ranges: Vec<(Range<u64>, i32)>) -> Vec<(Range<u64>, Option<i32>)> {
    let mut cuts: Vec<u64> = ranges.iter().flat_map(|(range, _)| [range.start, range.end]).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let mut sorted = ranges;
    sorted.sort_unstable_by_key(|(range, _)| range.start);
    let mut flat = Vec::<(Range<u64>, Option<i32>)>::new();
    // Ends and nodes of the ranges that the current cut is in.
    let mut open = Vec::<(u64, i32)>::new();
    let mut next = sorted.iter().peekable();
    for cut in cuts.windows(2) {
        while let Some((range, nid)) = next.next_if(|(range, _)| range.start == cut[0]) {
            open.push((range.end, *nid));
        }
        open.retain(|(end, _)| *end > cut[0]);
        let Some((_, first)) = open.first().copied() else { continue };
        let nid = open.iter().all(|(_, nid)| *nid == first).then_some(first);
        match flat.last_mut() {
            Some((last, same)) if last.end == cut[0] && *same == nid => last.end = cut[1],
            _ => flat.push((cut[0]..cut[1], nid)),
        }
    }
    flat
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_of_two_nodes_is_unknown() {
        let dir = tempfile::tempdir().expect("a directory");
        let system = dir.path();
        for path in ["memory", "node/node0/memory0", "node/node0/memory1", "node/node1/memory1", "node/node1/memory2"] {
            fs::create_dir_all(system.join(path)).expect("made");
        }
        assert!(of_blocks(system).is_empty(), "without a block size nothing is known");
        fs::write(system.join("memory/block_size_bytes"), "8000000\n").expect("written");
        let frames = FrameNodes { ranges: flatten(of_blocks(system)), from: RangesFrom::MemoryBlocks };
        let block = 0x800_0000 / PAGE_BYTES;
        let nodes = [0, block - 1, block, 2 * block, 3 * block - 1, 3 * block].map(|pfn| frames.node(pfn).0);
        assert_eq!(nodes, [Some(0), Some(0), None, Some(1), Some(1), None]);
        assert_eq!(frames.node(5), (Some(0), 0..block));
    }

    #[test]
    fn zones_that_overlap_are_unknown_where_they_do() {
        let text = "Node 0, zone      DMA\n  pages free     3840\n        spanned  4095\n        present  3998\n  start_pfn:           1\n\
                    Node 0, zone   Normal\n        spanned  8000\n  start_pfn:           4096\n\
                    Node 1, zone   Normal\n        spanned  1000\n  start_pfn:           10000\n\
                    Node 1, zone  Movable\n        spanned  0\n  start_pfn:           0\n";
        let frames = FrameNodes { ranges: flatten(of_zones(text)), from: RangesFrom::Zoneinfo };
        let nodes = [0, 1, 4095, 4096, 9999, 10_000, 10_999, 11_000, 12_096].map(|pfn| frames.node(pfn).0);
        assert_eq!(nodes, [None, Some(0), Some(0), Some(0), Some(0), None, None, Some(0), None]);
    }

    #[test]
    fn this_machine_has_ranges() {
        let frames = FrameNodes::read();
        assert_eq!(frames.from == RangesFrom::Nothing, frames.ranges.is_empty());
    }
}
