//! Shares of nodes as text.

use crate::{model::live::nodes::Nodes, text::quantity};

/// The nodes with their shares, `0:75% 1:25%`, the largest first.
pub(crate) fn shares(nodes: &Nodes) -> String {
    let total = nodes.total();
    let mut by_size: Vec<(i32, u64)> = nodes.iter().filter(|(_, n)| *n > 0).collect();
    by_size.sort_by_key(|(nid, n)| (std::cmp::Reverse(*n), *nid));
    let share = |(nid, n): &(i32, u64)| format!("{nid}:{}", quantity::percent(*n as f64 * 100.0 / total as f64));
    by_size.iter().map(share).collect::<Vec<_>>().join(" ")
}
