//! Metrics of the machine's nodes. Names are those of the kernel's files, as node_exporter's collector meminfo_numa has them.

use super::{
    family::{Families, Value, labels, node},
    table,
};
use crate::event::{NodeFacts, NodeMask};

pub(super) fn fill(families: &mut Families, nodes: &[NodeFacts]) {
    for facts in nodes {
        let cpus = facts.cpus.as_ref().and_then(|list| list.parse::<NodeMask>().ok());
        let pages = &facts.pages;
        let values = [
            (&table::NODE_MEMORY, facts.mem_bytes),
            (&table::NODE_FREE, facts.free_bytes),
            (&table::NODE_CPUS, cpus.map(|cpus| cpus.nodes().len() as u64)),
            (&table::NODE_TIER, facts.tier.map(u64::from)),
            (&table::NUMA_HIT, pages.hit),
            (&table::NUMA_MISS, pages.miss),
            (&table::NUMA_FOREIGN, pages.foreign),
            (&table::INTERLEAVE_HIT, pages.interleave_hit),
            (&table::LOCAL_NODE, pages.local),
            (&table::OTHER_NODE, pages.other),
        ];
        for (metric, value) in values {
            if let Some(value) = value {
                families.set(metric, labels([("node", node(Some(facts.nid)))]), Value::Whole(value));
            }
        }
    }
}
