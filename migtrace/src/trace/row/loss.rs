//! Losses as rows, and rows as losses.

use super::{
    fields::{BadRow, Fields},
    sink::Sink,
};
use crate::{event::Loss, trace::schema::column};

pub(super) fn put<'e>(to: &mut impl Sink<'e>, e: &'e Loss) {
    to.put(column::probe, e.probe.as_str());
    to.put(column::cause, e.cause.as_str());
    to.put(column::count, e.count);
}

pub(super) fn get(r: &Fields<'_>) -> Result<Loss, BadRow> {
    Ok(Loss {
        probe: r.need(&r.batch.probe)?.into(),
        cause: r.need(&r.batch.cause)?.into(),
        count: r.need(&r.batch.count)?,
    })
}
