//! Batches as rows, and rows as batches.

use super::{
    fields::{BadRow, Fields, Shared},
    sink::Sink,
};
use crate::{
    event::{Batch, Work},
    trace::schema::column,
};

pub(super) fn put<'e>(to: &mut impl Sink<'e>, e: &'e Batch) {
    to.put_if(column::asked, e.asked);
    to.put(column::succeeded, e.succeeded);
    to.put(column::failed, e.failed);
    to.put_if(column::unmoved, e.unmoved);
    to.put_if(column::thp_split, e.thp_split.map(u64::from));
    to.put(column::cause, e.cause.word());
    to.put(column::mode, e.work.mode());
    to.put(column::latency_ns, e.latency_ns);
}

pub(super) fn get(r: &Fields<'_>, words: &mut Shared) -> Result<Batch, BadRow> {
    Ok(Batch {
        asked: r.batch.asked.get(r.row),
        succeeded: r.need(&r.batch.succeeded)?,
        failed: r.need(&r.batch.failed)?,
        unmoved: r.batch.unmoved.get(r.row),
        thp_split: r.narrow(&r.batch.thp_split)?,
        cause: r.word(&r.batch.cause)?,
        work: Work::of_mode(words.get(r.need(&r.batch.mode)?)),
        latency_ns: r.need(&r.batch.latency_ns)?,
    })
}
