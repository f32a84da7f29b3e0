//! Checks as rows, and rows as checks.

use super::{
    fields::{BadRow, Fields, Shared},
    sink::Sink,
};
use crate::{
    event::{Check, CheckPath},
    trace::schema::column,
};

pub(super) fn put<'e>(to: &mut impl Sink<'e>, e: &'e Check) {
    to.put(column::addr, e.addr);
    to.put(column::pfn, e.pfn);
    to.put(column::order, e.order);
    to.put(column::src_nid, e.src_nid);
    to.put_if(column::dst_nid, e.dst_nid);
    to.put_if(column::policy, e.policy.map(|p| p.word()));
    to.put(column::interleaved, e.interleaved);
    to.put(column::lazy, e.lazy);
    to.put(column::verdict, e.verdict.word());
    to.put_if(column::reason, e.reason.as_deref());
}

pub(super) fn get(r: &Fields<'_>, words: &mut Shared) -> Result<Check, BadRow> {
    let (policy, verdict) = (r.word_if(&r.batch.policy)?, r.word(&r.batch.verdict)?);
    let reason = r.batch.reason.get(r.row);
    Ok(Check {
        addr: r.need(&r.batch.addr)?,
        pfn: r.need(&r.batch.pfn)?,
        order: r.order()?,
        src_nid: r.need(&r.batch.src_nid)?,
        dst_nid: r.batch.dst_nid.get(r.row),
        policy,
        path: CheckPath::inferred(verdict, reason, policy),
        interleaved: r.need(&r.batch.interleaved)?,
        lazy: r.need(&r.batch.lazy)?,
        verdict,
        reason: reason.map(|w| words.get(w)),
    })
}
