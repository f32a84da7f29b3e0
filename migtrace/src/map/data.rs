//! The map for programs: JSON and CSV.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{
    model::{Map, Region},
    place::{Counts, Run},
};

/// The map as JSON, with runs if they were kept. Addresses are numbers; null is unknown, or without a meaning.
#[must_use]
pub fn to_json(map: &Map) -> Value {
    let counts = map.counts();
    let (off_policy, policy_names_nodes) = map.off_policy();
    let threads: Vec<Value> = map.threads.iter().map(|(nid, n)| json!({"nid": nid, "threads": n})).collect();
    json!({
        "process": {"pid": map.process.pid, "start_ns": map.process.start_ns, "comm": map.comm},
        "begin_ns": map.begin_ns,
        "end_ns": map.end_ns,
        "pages": counts,
        "not_present": map.not_present(),
        "off_policy": off_policy,
        "policy_names_nodes": policy_names_nodes,
        "remote": map.remote(&counts),
        "huge": map.huge(),
        "threads": threads,
        "sources": {
            "by_frame": map.sources.by_frame,
            "by_move_pages": map.sources.by_move_pages,
            "move_pages_error": map.sources.refused,
            "frames": map.sources.ranges,
            "huge": map.sources.huge,
        },
        "regions": map.regions.iter().map(|region| region_json(map, region)).collect::<Vec<_>>(),
    })
}

fn region_json(map: &Map, region: &Region) -> Value {
    let mut object = json!({
        "start": region.start,
        "end": region.end,
        "permissions": region.permissions,
        "kind": region.kind,
        "name": region.name,
        "policy": region.policy,
        "pages": region.counts,
        "not_present": region.not_present(),
        "off_policy": region.off_policy(),
        "remote": map.remote(&region.counts),
        "huge": region.huge,
    });
    let run =
        |run: &Run| json!({"addr": run.addr, "pages": run.pages, "place": run.place.word(), "nid": run.place.nid()});
    if !region.runs.is_empty() {
        object["runs"] = region.runs.iter().map(run).collect();
    }
    object
}

/// A row for each region. A cell is empty if its number is unknown or without a meaning.
///
/// # Errors
/// The text cannot be written.
pub fn regions_csv(map: &Map, to: &mut dyn Write) -> io::Result<()> {
    let mut rows = csv::Writer::from_writer(to);
    let nodes: Vec<i32> = map.counts().nodes.into_keys().collect();
    let mut header: Vec<String> = ["start", "end", "permissions", "kind", "name", "policy"].map(str::to_owned).to_vec();
    header.extend(nodes.iter().map(|nid| format!("node{nid}")));
    let counts = ["unknown_node", "zero", "swap", "special", "not_present", "off_policy", "remote", "huge"];
    header.extend(counts.map(str::to_owned));
    rows.write_record(&header)?;
    for region in &map.regions {
        let Counts { nodes: on, unknown_node, zero, swap, special } = &region.counts;
        let mut row = vec![
            format!("{:#x}", region.start),
            format!("{:#x}", region.end),
            region.permissions.clone(),
            region.kind.to_owned(),
            crate::text::escape_control(&region.name),
            region.policy.clone().unwrap_or_default(),
        ];
        row.extend(nodes.iter().map(|nid| on.get(nid).copied().unwrap_or(0).to_string()));
        row.extend([*unknown_node, *zero, *swap, *special, region.not_present()].map(|n| n.to_string()));
        let optional = [region.off_policy(), map.remote(&region.counts), region.huge];
        row.extend(optional.map(|n| n.map_or_else(String::new, |n| n.to_string())));
        rows.write_record(&row)?;
    }
    rows.flush()
}

/// A row for each run of pages in the same place.
///
/// # Errors
/// The text cannot be written.
pub fn runs_csv(map: &Map, to: &mut dyn Write) -> io::Result<()> {
    let mut rows = csv::Writer::from_writer(to);
    rows.write_record(["addr", "pages", "place", "nid", "region", "kind", "name", "policy"])?;
    for region in &map.regions {
        for run in &region.runs {
            let Run { addr, pages, place } = run;
            rows.write_record([
                &format!("{addr:#x}"),
                &pages.to_string(),
                place.word(),
                &place.nid().map_or_else(String::new, |nid| nid.to_string()),
                &format!("{:#x}", region.start),
                region.kind,
                &crate::text::escape_control(&region.name),
                region.policy.as_deref().unwrap_or_default(),
            ])?;
        }
    }
    rows.flush()
}
