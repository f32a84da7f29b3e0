//! Mappings as rows, and rows as mappings.

use super::{
    fields::{BadRow, Fields},
    sink::Sink,
};
use crate::{event::Region, trace::schema::column};

pub(super) fn put<'e>(to: &mut impl Sink<'e>, e: &'e Region) {
    to.put(column::addr, e.addr);
    to.put(column::len, e.len);
    to.put(column::class, e.class.word());
    to.put(column::name, &e.name);
    to.put_if(column::policy, e.policy.map(|p| p.word()));
}

pub(super) fn get(r: &Fields<'_>) -> Result<Region, BadRow> {
    Ok(Region {
        addr: r.need(&r.batch.addr)?,
        len: r.need(&r.batch.len)?,
        class: r.word(&r.batch.class)?,
        name: r.need(&r.batch.name)?.to_owned(),
        policy: r.word_if(&r.batch.policy)?,
    })
}
