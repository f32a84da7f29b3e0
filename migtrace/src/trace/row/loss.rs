//! Losses as rows, and rows as losses.

use super::{
    fields::{BadRow, Fields},
    sink::Sink,
};
use crate::{event::Loss, trace::schema::column};

pub(super) fn put<'e>(to: &mut impl Sink<'e>, e: &'e Loss) {
    to.put(column::probe, &e.probe);
    to.put(column::cause, &e.cause);
    to.put(column::count, e.count);
}

pub(super) fn get(r: &Fields<'_>) -> Result<Loss, BadRow> {
    Ok(Loss {
        probe: r.need(&r.batch.probe)?.to_owned(),
        cause: r.need(&r.batch.cause)?.to_owned(),
        count: r.need(&r.batch.count)?,
    })
}
