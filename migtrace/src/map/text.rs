//! The map as text: totals, and a table of regions.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets::NOTHING};

use super::{
    model::{HugeFrom, Map, RangesFrom, Region},
    place::{Counts, Place},
    words::place_name,
};
use crate::{
    text::{self, Line, Tone, heading, line, quantity},
    units::PAGE_BYTES,
};

/// The totals of a map.
#[must_use]
pub fn totals(map: &Map) -> Vec<Line> {
    let counts = map.counts();
    let process = format!("map of process {} ({})", map.process.pid, text::escape_control(&map.comm));
    let mut lines = vec![Tone::Heading.paint(process).into()];
    let mut say = |what: &str, words: String| lines.push(line![Tone::Dim.paint(format!("  {what:<14}")), words]);
    say("in memory", in_memory(&counts));
    say("elsewhere", elsewhere(&counts, map.not_present()));
    let (off, named) = map.off_policy();
    let off = match named {
        0 => "no page has a policy that names nodes".to_owned(),
        _ => format!("{off} of {} whose policy names nodes", text::count(named, "page")),
    };
    say("off policy", off);
    let threads: Vec<String> = map.threads.iter().map(|(nid, n)| format!("node {nid}: {n}")).collect();
    let remote = map.remote(&counts).map_or_else(
        || "unknown: no thread's node is known".to_owned(),
        |pages| {
            format!(
                "{} on nodes where no thread ran last (threads: {})",
                text::count(pages, "page"),
                threads.join(", ")
            )
        },
    );
    say("remote", remote);
    say("huge", huge(map));
    say("read", sources(map));
    lines
}

fn in_memory(counts: &Counts) -> String {
    let all = counts.in_memory();
    let on_nodes = counts.iter().filter(|(place, _)| matches!(place, Place::Node(_) | Place::UnknownNode));
    let share = |pages: u64| quantity::percent(100.0 * pages as f64 / all.max(1) as f64);
    let words: Vec<String> =
        on_nodes.map(|(place, pages)| format!("{} {pages} ({})", place_name(place), share(pages))).collect();
    let colon = if words.is_empty() { "" } else { ": " };
    format!("{} ({}){colon}{}", text::count(all, "page"), quantity::bytes(all * PAGE_BYTES), words.join(", "))
}

fn elsewhere(counts: &Counts, not_present: u64) -> String {
    let mut words = vec![format!("{} in swap", counts.swap), format!("{} page of zeros", counts.zero)];
    if counts.special > 0 {
        words.push(format!("{} special entries (migrating, device memory, memory error)", counts.special));
    }
    words.push(format!("{not_present} not present"));
    words.join(", ")
}

fn huge(map: &Map) -> String {
    let from = match map.sources.huge {
        HugeFrom::PagemapScan => "by PAGEMAP_SCAN",
        HugeFrom::Smaps => "by /proc/PID/smaps",
        HugeFrom::Nothing => "neither PAGEMAP_SCAN nor /proc/PID/smaps can be read",
        HugeFrom::Census => "a census has no huge pages",
    };
    let pages = map.huge().map(|pages| format!("{} mapped by huge pages", text::count(pages, "page")));
    format!("{} ({from})", pages.unwrap_or_else(|| "unknown".to_owned()))
}

fn sources(map: &Map) -> String {
    let sources = &map.sources;
    let took = text::duration(map.end_ns - map.begin_ns);
    let ranges = match sources.ranges {
        RangesFrom::Census => return format!("from the census of a trace; took {took}"),
        RangesFrom::MemoryBlocks => "memory blocks",
        RangesFrom::Zoneinfo => "/proc/zoneinfo",
        RangesFrom::Nothing => "no ranges of nodes",
    };
    let mut words = vec![format!("nodes of {} by frame ({ranges})", text::count(sources.by_frame, "page"))];
    if sources.by_move_pages > 0 {
        words.push(format!(
            "of {} by move_pages(2): frames are hidden, or in a range of several nodes",
            sources.by_move_pages
        ));
    }
    if let Some(why) = &sources.refused {
        words.push(format!("move_pages(2) failed: {why}"));
    }
    format!("{}; took {took}", words.join(", "))
}

/// The regions with most pages in memory, `limit` of them, in the order of addresses.
#[must_use]
pub fn regions(map: &Map, limit: usize) -> Vec<Line> {
    let mut largest: Vec<&Region> = map.regions.iter().filter(|region| region.counts.total() > 0).collect();
    let populated = largest.len();
    largest.sort_by_key(|region| (std::cmp::Reverse(region.counts.total()), region.start));
    largest.truncate(limit);
    largest.sort_by_key(|region| region.start);
    let empty = map.regions.len() - populated;
    let title = match populated - largest.len() {
        0 => format!("regions with pages ({empty} have none)"),
        more => {
            format!("the {} largest regions ({more} smaller ones: --regions; {empty} have no pages)", largest.len())
        }
    };
    let nodes: Vec<i32> = map.counts().nodes.into_keys().collect();
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let mut header: Vec<String> = ["START", "SIZE", "KIND", "POLICY"].map(str::to_owned).to_vec();
    header.extend(nodes.iter().map(|nid| format!("NODE {nid}")));
    header.extend(["OFF POLICY", "REMOTE", "HUGE", "SWAP", "ABSENT", "NAME"].map(str::to_owned));
    let last = header.len() - 1;
    table.set_header(header);
    largest.iter().for_each(|region| _ = table.add_row(row(map, region, &nodes)));
    for (n, column) in table.column_iter_mut().enumerate() {
        if n == 1 || (n > 3 && n < last) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let tone = |n| if n == 0 { Tone::Dim } else { Tone::Plain };
    let rows = table.lines().enumerate().map(|(n, row)| tone(n).paint(row.trim_end()).into()).collect::<Vec<Line>>();
    heading(&title).into_iter().chain(rows).collect()
}

fn row(map: &Map, region: &Region, nodes: &[i32]) -> Vec<String> {
    let number = |n: Option<u64>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
    let mut cells = vec![
        format!("{:x}", region.start),
        quantity::bytes(region.end - region.start),
        region.kind.to_owned(),
        region.policy.clone().unwrap_or_else(|| "?".to_owned()),
    ];
    cells.extend(nodes.iter().map(|nid| number(region.counts.nodes.get(nid).copied())));
    let unknown = |n: Option<u64>| n.map_or_else(|| "?".to_owned(), |n| n.to_string());
    cells.extend([
        number(region.off_policy()),
        unknown(map.remote(&region.counts)),
        unknown(region.huge),
        region.counts.swap.to_string(),
        region.not_present().to_string(),
        text::escape_control(&region.name),
    ]);
    cells
}
