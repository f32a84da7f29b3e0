//! Migrations as rows, and rows as migrations.

use super::{
    fields::{BadRow, Fields, Shared},
    sink::Sink,
};
use crate::{event::Migrate, trace::schema::column};

pub(super) fn put<'e>(to: &mut impl Sink<'e>, e: &'e Migrate) {
    to.put_if(column::addr, e.addr);
    to.put(column::old_pfn, e.old_pfn);
    to.put_if(column::new_pfn, e.new_pfn);
    to.put(column::order, e.order);
    to.put(column::pages, e.pages());
    to.put(column::src_nid, e.src_nid);
    to.put_if(column::dst_nid, e.dst_nid);
    to.put(column::cause, e.cause.word());
    to.put(column::result, e.result.word());
    to.put_if(column::reason, e.reason.as_deref());
    to.put_if(column::latency_ns, e.latency_ns);
    to.put_if(column::unmap_ns, e.unmap_ns);
    to.put_if(column::copy_ns, e.copy_ns);
    to.put_if(column::remap_ns, e.remap_ns);
    to.put_if(column::mappings, e.mappings.map(u64::from));
}

pub(super) fn get(r: &Fields<'_>, words: &mut Shared) -> Result<Migrate, BadRow> {
    Ok(Migrate {
        addr: r.batch.addr.get(r.row),
        old_pfn: r.need(&r.batch.old_pfn)?,
        new_pfn: r.batch.new_pfn.get(r.row),
        order: r.order()?,
        src_nid: r.need(&r.batch.src_nid)?,
        dst_nid: r.batch.dst_nid.get(r.row),
        cause: r.word(&r.batch.cause)?,
        result: r.word(&r.batch.result)?,
        reason: r.batch.reason.get(r.row).map(|w| words.get(w)),
        latency_ns: r.batch.latency_ns.get(r.row),
        unmap_ns: r.batch.unmap_ns.get(r.row),
        copy_ns: r.batch.copy_ns.get(r.row),
        remap_ns: r.batch.remap_ns.get(r.row),
        mappings: r.narrow(&r.batch.mappings)?,
    })
}
