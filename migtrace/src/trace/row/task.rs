//! Task events as rows, and rows as task events.

use super::{
    fields::{BadRow, Fields},
    sink::Sink,
};
use crate::{event::Task, trace::schema::column};

pub(super) fn put<'e>(to: &mut impl Sink<'e>, e: &'e Task) {
    to.put(column::what, e.what.word());
    to.put_if(column::from_node, e.from_node);
    to.put_if(column::to_node, e.to_node);
    to.put_if(column::target_pid, e.target_pid);
    to.put_if(column::pages, e.pages);
    to.put_if(column::latency_ns, e.latency_ns);
}

pub(super) fn get(r: &Fields<'_>) -> Result<Task, BadRow> {
    Ok(Task {
        what: r.word(&r.batch.what)?,
        from_node: r.batch.from_node.get(r.row),
        to_node: r.batch.to_node.get(r.row),
        target_pid: r.batch.target_pid.get(r.row),
        pages: r.batch.pages.get(r.row),
        latency_ns: r.batch.latency_ns.get(r.row),
    })
}
