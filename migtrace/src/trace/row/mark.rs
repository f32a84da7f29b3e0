//! Lazy marks as rows, and rows as lazy marks.

use super::{
    fields::{BadRow, Fields, Shared},
    sink::Sink,
};
use crate::{event::Mark, trace::schema::column};

pub(super) fn put<'e>(to: &mut impl Sink<'e>, e: &'e Mark) {
    to.put_if(column::addr, e.addr);
    to.put(column::pfn, e.pfn);
    to.put(column::nid, e.nid);
    to.put(column::order, e.order);
    to.put(column::result, e.result.word());
    to.put_if(column::reason, e.reason.as_deref());
}

pub(super) fn get(r: &Fields<'_>, words: &mut Shared) -> Result<Mark, BadRow> {
    Ok(Mark {
        addr: r.batch.addr.get(r.row),
        pfn: r.need(&r.batch.pfn)?,
        nid: r.need(&r.batch.nid)?,
        order: r.order()?,
        result: r.word(&r.batch.result)?,
        reason: r.batch.reason.get(r.row).map(|w| words.get(w)),
    })
}
