//! Changes of place as rows, and rows as changes of place.

use super::{
    fields::{BadRow, Fields},
    sink::Sink,
};
use crate::{event::Place, trace::schema::column};

pub(super) fn put<'e>(to: &mut impl Sink<'e>, e: &'e Place) {
    to.put(column::what, e.what.word());
    to.put(column::addr, e.addr);
    to.put(column::len, e.len);
    to.put_if(column::from_addr, e.from_addr);
    to.put_if(column::src_nid, e.src_nid);
    to.put_if(column::dst_nid, e.dst_nid);
}

pub(super) fn get(r: &Fields<'_>) -> Result<Place, BadRow> {
    Ok(Place {
        what: r.word(&r.batch.what)?,
        addr: r.need(&r.batch.addr)?,
        len: r.need(&r.batch.len)?,
        from_addr: r.batch.from_addr.get(r.row),
        src_nid: r.batch.src_nid.get(r.row),
        dst_nid: r.batch.dst_nid.get(r.row),
    })
}
