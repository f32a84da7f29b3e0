//! Turns events into rows.

use std::borrow::Cow;

use super::{
    batch, census, check, fault, loss, mark, migrate, node, place, region, request,
    sink::{Sink, put_comm},
    task,
};
use crate::{
    event::{Body, Event, Owner},
    trace::{
        column::types::Cell,
        schema::{Buffers, Named, column},
    },
};

/// The next row of a segment.
struct Row<'b> {
    to: &'b mut Buffers,
    row: usize,
}

impl<'e> Sink<'e> for Row<'_> {
    fn put<C: Named>(&mut self, _: C, value: <C::Cell as Cell>::Native<'e>) {
        C::buffer(self.to).put(self.row, value);
    }

    fn put_made<C: Named<Cell = String>>(&mut self, _: C, make: impl FnOnce() -> Option<Cow<'e, str>>) {
        if let Some(text) = make() {
            C::buffer(self.to).put(self.row, &text);
        }
    }
}

/// Adds `event` as the next row.
pub(crate) fn append(to: &mut Buffers, event: &Event) {
    let row = to.next_row();
    put_event(&mut Row { to, row }, event);
}

/// Passes every value of `event` to `to`.
pub(crate) fn put_event<'e>(to: &mut impl Sink<'e>, event: &'e Event) {
    to.put(column::ts_ns, event.ts_ns);
    to.put(column::cpu, event.cpu);
    to.put_if(column::cpu_node, event.cpu_node);
    to.put(column::pid, event.pid);
    to.put(column::tid, event.tid);
    put_comm(to, column::comm, Some(&event.comm));
    to.put(column::cgroup_id, event.cgroup_id);
    to.put(column::kind, event.body.kind());
    to.put_if(column::process_start_ns, event.process_start_ns);
    to.put_if(column::weight, event.weight.map(|weight| u64::from(weight.get())));
    to.put_if(column::kernel_stack, event.kernel_stack.as_deref());
    to.put_if(column::user_stack, event.user_stack.as_deref());
    if event.body.has_page() {
        put_owner(to, event);
    }
    match &event.body {
        Body::Fault(e) => fault::put(to, e),
        Body::Check(e) => check::put(to, e),
        Body::Mark(e) => mark::put(to, e),
        Body::Migrate(e) => migrate::put(to, e),
        Body::Batch(e) => batch::put(to, e),
        Body::Request(e) => request::put(to, e),
        Body::Task(e) => task::put(to, e),
        Body::Region(e) => region::put(to, e),
        Body::Phase(e) => to.put(column::text, &e.text),
        Body::Place(e) => place::put(to, e),
        Body::Node(e) => node::put(to, e),
        Body::Census(e) => census::put(to, e),
        Body::Loss(e) => loss::put(to, e),
    }
}

fn put_owner<'e>(to: &mut impl Sink<'e>, event: &'e Event) {
    let owner = match &event.owner {
        Owner::Actor => Some((event.process(), &event.comm, event.cgroup_id)),
        Owner::Other(owner) => Some((owner.process, &owner.comm, owner.cgroup_id)),
        Owner::Unknown => None,
    };
    to.put_if(column::owner_pid, owner.map(|(process, ..)| process.pid));
    to.put_if(column::owner_start_ns, owner.and_then(|(process, ..)| process.start_ns));
    put_comm(to, column::owner_comm, owner.map(|(_, comm, _)| comm));
    to.put_if(column::owner_cgroup_id, owner.map(|(.., cgroup_id)| cgroup_id));
}
