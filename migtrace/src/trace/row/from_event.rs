//! Events as rows: which kind uses which column. The one place that says so, for files, filters and views alike.

use std::{borrow::Cow, num::NonZeroU32};

use crate::event::{Batch, Body, Check, Event, Fault, Loss, Mark, Migrate, NodeMask, Region, Request, Task};
use crate::trace::{
    column::types::Cell,
    schema::{Buffers, Named, column},
};

/// Takes the values of an event, column by column.
pub(crate) trait Sink<'e> {
    /// The value in `column`.
    fn put<C: Named>(&mut self, column: C, value: <C::Cell as Cell>::Native<'e>);

    /// The value in `column`, which an event of this kind may lack.
    fn put_if<C: Named>(&mut self, column: C, value: Option<<C::Cell as Cell>::Native<'e>>) {
        if let Some(value) = value {
            self.put(column, value);
        }
    }

    /// As `put_if`, of a text that is yet to be made.
    fn put_made<C: Named<Cell = String>>(&mut self, column: C, make: impl FnOnce() -> Option<Cow<'e, str>>);
}

/// The next row of a batch.
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

/// Gives every value of `event` to `to`.
pub(crate) fn put_event<'e>(to: &mut impl Sink<'e>, event: &'e Event) {
    to.put(column::ts_ns, event.ts_ns);
    to.put(column::cpu, event.cpu);
    to.put_if(column::cpu_node, event.cpu_node);
    to.put(column::pid, event.pid);
    to.put(column::tid, event.tid);
    let comm = event.comm.as_bytes();
    // Nearly all are, and that is quickly seen.
    match str::from_utf8(comm) {
        Ok(comm) => to.put(column::comm, comm),
        Err(_) => to.put_made(column::comm, || Some(String::from_utf8_lossy(comm))),
    }
    to.put(column::cgroup_id, event.cgroup_id);
    to.put(column::kind, event.body.kind());
    to.put_if(column::process_start_ns, event.process_start_ns);
    to.put_if(column::weight, event.weight.map(NonZeroU32::get));
    to.put_if(column::kernel_stack, event.kernel_stack.as_deref());
    to.put_if(column::user_stack, event.user_stack.as_deref());
    match &event.body {
        Body::Fault(e) => put_fault(to, e),
        Body::Check(e) => put_check(to, e),
        Body::Mark(e) => put_mark(to, e),
        Body::Migrate(e) => put_migrate(to, e),
        Body::Batch(e) => put_batch(to, e),
        Body::Request(e) => put_request(to, e),
        Body::Task(e) => put_task(to, e),
        Body::Region(e) => put_region(to, e),
        Body::Phase(e) => to.put(column::text, &e.text),
        Body::Loss(e) => put_loss(to, e),
    }
}

fn put_fault<'e>(to: &mut impl Sink<'e>, e: &'e Fault) {
    to.put(column::addr, e.addr);
    to.put_if(column::ip, e.ip);
    to.put(column::access, e.access.word());
    to.put_if(column::class, e.class.map(|c| c.word()));
    to.put_if(column::major, e.major);
    to.put_if(column::nid, e.nid);
    to.put_if(column::latency_ns, e.latency_ns);
    to.put_if(column::result, e.result.as_deref());
}

fn put_check<'e>(to: &mut impl Sink<'e>, e: &'e Check) {
    to.put(column::addr, e.addr);
    to.put(column::pfn, e.pfn);
    to.put(column::order, e.order);
    to.put(column::src_nid, e.src_nid);
    to.put_if(column::dst_nid, e.dst_nid);
    to.put_if(column::policy, e.policy.map(|p| p.word()));
    to.put(column::interleaved, e.interleaved);
    to.put(column::lazy, e.lazy);
    to.put(column::verdict, e.verdict.word());
    to.put_if(column::reason, e.reason.as_deref());
}

fn put_mark<'e>(to: &mut impl Sink<'e>, e: &'e Mark) {
    to.put_if(column::addr, e.addr);
    to.put(column::pfn, e.pfn);
    to.put(column::nid, e.nid);
    to.put(column::order, e.order);
    to.put(column::result, e.result.word());
    to.put_if(column::reason, e.reason.as_deref());
}

fn put_migrate<'e>(to: &mut impl Sink<'e>, e: &'e Migrate) {
    to.put_if(column::addr, e.addr);
    to.put(column::old_pfn, e.old_pfn);
    to.put_if(column::new_pfn, e.new_pfn);
    to.put(column::order, e.order);
    to.put(column::pages, e.pages());
    to.put(column::src_nid, e.src_nid);
    to.put_if(column::dst_nid, e.dst_nid);
    to.put(column::cause, e.cause.word());
    to.put(column::result, e.result.word());
    to.put_if(column::reason, e.reason.as_deref());
    to.put_if(column::latency_ns, e.latency_ns);
    to.put_if(column::unmap_ns, e.unmap_ns);
    to.put_if(column::copy_ns, e.copy_ns);
    to.put_if(column::remap_ns, e.remap_ns);
}

fn put_batch<'e>(to: &mut impl Sink<'e>, e: &'e Batch) {
    to.put_if(column::asked, e.asked);
    to.put(column::succeeded, e.succeeded);
    to.put(column::failed, e.failed);
    to.put_if(column::unmoved, e.unmoved);
    to.put(column::cause, e.cause.word());
    to.put(column::mode, e.work.mode());
    to.put(column::latency_ns, e.latency_ns);
}

fn put_request<'e>(to: &mut impl Sink<'e>, e: &'e Request) {
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

fn put_task<'e>(to: &mut impl Sink<'e>, e: &'e Task) {
    to.put(column::what, e.what.word());
    to.put_if(column::from_node, e.from_node);
    to.put_if(column::to_node, e.to_node);
    to.put_if(column::target_pid, e.target_pid);
    to.put_if(column::pages, e.pages);
}

fn put_region<'e>(to: &mut impl Sink<'e>, e: &'e Region) {
    to.put(column::addr, e.addr);
    to.put(column::len, e.len);
    to.put(column::class, e.class.word());
    to.put(column::name, &e.name);
    to.put_if(column::policy, e.policy.map(|p| p.word()));
}

fn put_loss<'e>(to: &mut impl Sink<'e>, e: &'e Loss) {
    to.put(column::probe, &e.probe);
    to.put(column::cause, &e.cause);
    to.put(column::count, e.count);
}
