//! Page faults as rows, and rows as page faults.

use super::{
    fields::{BadRow, Fields, Shared},
    sink::Sink,
};
use crate::{event::Fault, trace::schema::column};

pub(super) fn put<'e>(to: &mut impl Sink<'e>, e: &'e Fault) {
    to.put(column::addr, e.addr);
    to.put_if(column::ip, e.ip);
    to.put(column::access, e.access.word());
    to.put_if(column::class, e.class.map(|c| c.word()));
    to.put_if(column::major, e.major);
    to.put_if(column::nid, e.nid);
    to.put_if(column::order, e.order);
    to.put_if(column::latency_ns, e.latency_ns);
    to.put_if(column::result, e.result.as_deref());
}

pub(super) fn get(r: &Fields<'_>, words: &mut Shared) -> Result<Fault, BadRow> {
    Ok(Fault {
        addr: r.need(&r.batch.addr)?,
        ip: r.batch.ip.get(r.row),
        access: r.word(&r.batch.access)?,
        class: r.word_if(&r.batch.class)?,
        major: r.batch.major.get(r.row),
        nid: r.batch.nid.get(r.row),
        order: r.order_if()?,
        latency_ns: r.batch.latency_ns.get(r.row),
        result: r.batch.result.get(r.row).map(|w| words.get(w)),
    })
}
