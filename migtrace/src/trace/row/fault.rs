//! Page faults as rows, and rows as page faults.

use super::{
    fields::{BadRow, Fields, Shared},
    sink::{Sink, put_comm},
};
use crate::{
    event::{Comm, Fault, Wait},
    trace::schema::column,
};

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
    let wait = e.wait.as_deref();
    to.put_if(column::wait_cause, wait.map(|w| w.cause.word()));
    to.put_if(column::wait_pid, wait.map(|w| w.pid));
    to.put_if(column::wait_tid, wait.map(|w| w.tid));
    put_comm(to, column::wait_comm, wait.map(|w| &w.comm));
    to.put_if(column::inaccessible_ns, wait.map(|w| w.inaccessible_ns));
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
        wait: wait(r)?,
    })
}

fn wait(r: &Fields<'_>) -> Result<Option<Box<Wait>>, BadRow> {
    let Some(cause) = r.word_if(&r.batch.wait_cause)? else { return Ok(None) };
    Ok(Some(Box::new(Wait {
        cause,
        pid: r.need(&r.batch.wait_pid)?,
        tid: r.need(&r.batch.wait_tid)?,
        comm: Comm::from(r.need(&r.batch.wait_comm)?),
        inaccessible_ns: r.need(&r.batch.inaccessible_ns)?,
    })))
}
