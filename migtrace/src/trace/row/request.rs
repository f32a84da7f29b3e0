//! Placement syscalls as rows, and rows as placement syscalls.

use super::{
    fields::{BadRow, Fields},
    sink::Sink,
};
use crate::{
    event::{NodeMask, Request},
    trace::schema::column,
};

pub(super) fn put<'e>(to: &mut impl Sink<'e>, e: &'e Request) {
    to.put(column::name, e.name.word());
    to.put_if(column::addr, e.addr);
    to.put_if(column::len, e.len);
    to.put_if(column::policy, e.policy.map(|p| p.word()));
    to.put(column::flags, &e.flags);
    to.put_made(column::nodemask, || e.nodemask.as_ref().map(|mask: &NodeMask| mask.to_string().into()));
    to.put_if(column::target_pid, e.target_pid);
    to.put(column::ret, e.ret);
    to.put(column::latency_ns, e.latency_ns);
}

pub(super) fn get(r: &Fields<'_>) -> Result<Request, BadRow> {
    Ok(Request {
        name: r.word(&r.batch.name)?,
        addr: r.batch.addr.get(r.row),
        len: r.batch.len.get(r.row),
        policy: r.word_if(&r.batch.policy)?,
        flags: r.need(&r.batch.flags)?.to_owned(),
        nodemask: r.nodemask()?,
        target_pid: r.batch.target_pid.get(r.row),
        ret: r.need(&r.batch.ret)?,
        latency_ns: r.need(&r.batch.latency_ns)?,
    })
}
