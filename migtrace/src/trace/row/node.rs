//! Nodes as rows, and rows as nodes.

use super::{
    fields::{BadRow, Fields},
    sink::Sink,
};
use crate::{
    event::{NodeFacts, NumaPages},
    trace::schema::{RowBatch, column},
};

pub(super) fn put<'e>(to: &mut impl Sink<'e>, e: &'e NodeFacts) {
    to.put(column::nid, e.nid);
    to.put_if(column::change, e.change.map(|c| c.word()));
    to.put_if(column::cpus, e.cpus.as_deref());
    to.put_if(column::mem_bytes, e.mem_bytes);
    to.put_if(column::free_bytes, e.free_bytes);
    to.put_if(column::tier, e.tier);
    to.put_if(column::numa_hit, e.pages.hit);
    to.put_if(column::numa_miss, e.pages.miss);
    to.put_if(column::numa_foreign, e.pages.foreign);
    to.put_if(column::interleave_hit, e.pages.interleave_hit);
    to.put_if(column::local_node, e.pages.local);
    to.put_if(column::other_node, e.pages.other);
}

/// The node in row `row`, which must be of the kind `node`.
///
/// # Errors
/// The row lacks the node's number, or has an unknown word.
pub(crate) fn node_of_row(batch: &RowBatch, row: usize) -> Result<NodeFacts, BadRow> {
    get(&Fields { batch, row })
}

pub(super) fn get(r: &Fields<'_>) -> Result<NodeFacts, BadRow> {
    Ok(NodeFacts {
        nid: r.need(&r.batch.nid)?,
        change: r.word_if(&r.batch.change)?,
        cpus: r.batch.cpus.get(r.row).map(str::to_owned),
        mem_bytes: r.batch.mem_bytes.get(r.row),
        free_bytes: r.batch.free_bytes.get(r.row),
        tier: r.batch.tier.get(r.row),
        pages: NumaPages {
            hit: r.batch.numa_hit.get(r.row),
            miss: r.batch.numa_miss.get(r.row),
            foreign: r.batch.numa_foreign.get(r.row),
            interleave_hit: r.batch.interleave_hit.get(r.row),
            local: r.batch.local_node.get(r.row),
            other: r.batch.other_node.get(r.row),
        },
    })
}
