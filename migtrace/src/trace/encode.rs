//! Events as rows: which kind uses which column.

use std::num::NonZeroU32;

use super::schema::Buffers;
use crate::event::{Batch, Body, Check, Event, Fault, Loss, Mark, Migrate, NodeMask, Region, Request, Task};

/// Adds `event` as the next row.
pub(super) fn append(to: &mut Buffers, event: &Event) {
    let row = to.next_row();
    to.ts_ns.put(row, event.ts_ns);
    to.cpu.put(row, event.cpu);
    to.cpu_node.put_if(row, event.cpu_node);
    to.pid.put(row, event.pid);
    to.tid.put(row, event.tid);
    to.comm.put(row, &String::from_utf8_lossy(event.comm.as_bytes()));
    to.cgroup_id.put(row, event.cgroup_id);
    to.kind.put(row, event.body.kind());
    to.process_start_ns.put_if(row, event.process_start_ns);
    to.weight.put_if(row, event.weight.map(NonZeroU32::get));
    to.kernel_stack.put_if(row, event.kernel_stack.as_deref());
    to.user_stack.put_if(row, event.user_stack.as_deref());
    match &event.body {
        Body::Fault(e) => append_fault(to, row, e),
        Body::Check(e) => append_check(to, row, e),
        Body::Mark(e) => append_mark(to, row, e),
        Body::Migrate(e) => append_migrate(to, row, e),
        Body::Batch(e) => append_batch(to, row, e),
        Body::Request(e) => append_request(to, row, e),
        Body::Task(e) => append_task(to, row, e),
        Body::Region(e) => append_region(to, row, e),
        Body::Phase(e) => to.text.put(row, &e.text),
        Body::Loss(e) => append_loss(to, row, e),
    }
}

fn append_fault(to: &mut Buffers, row: usize, e: &Fault) {
    to.addr.put(row, e.addr);
    to.ip.put_if(row, e.ip);
    to.access.put(row, e.access.word());
    to.class.put_if(row, e.class.map(|c| c.word()));
    to.major.put_if(row, e.major);
    to.nid.put_if(row, e.nid);
    to.latency_ns.put_if(row, e.latency_ns);
    to.result.put_if(row, e.result.as_deref());
}

fn append_check(to: &mut Buffers, row: usize, e: &Check) {
    to.addr.put(row, e.addr);
    to.pfn.put(row, e.pfn);
    to.order.put(row, e.order);
    to.src_nid.put(row, e.src_nid);
    to.dst_nid.put_if(row, e.dst_nid);
    to.policy.put_if(row, e.policy.map(|p| p.word()));
    to.interleaved.put(row, e.interleaved);
    to.lazy.put(row, e.lazy);
    to.verdict.put(row, e.verdict.word());
    to.reason.put_if(row, e.reason.as_deref());
}

fn append_mark(to: &mut Buffers, row: usize, e: &Mark) {
    to.addr.put_if(row, e.addr);
    to.pfn.put(row, e.pfn);
    to.nid.put(row, e.nid);
    to.order.put(row, e.order);
    to.result.put(row, e.result.word());
    to.reason.put_if(row, e.reason.as_deref());
}

fn append_migrate(to: &mut Buffers, row: usize, e: &Migrate) {
    to.addr.put_if(row, e.addr);
    to.old_pfn.put(row, e.old_pfn);
    to.new_pfn.put_if(row, e.new_pfn);
    to.order.put(row, e.order);
    to.pages.put(row, e.pages());
    to.src_nid.put(row, e.src_nid);
    to.dst_nid.put_if(row, e.dst_nid);
    to.cause.put(row, e.cause.word());
    to.result.put(row, e.result.word());
    to.reason.put_if(row, e.reason.as_deref());
    to.latency_ns.put_if(row, e.latency_ns);
    to.unmap_ns.put_if(row, e.unmap_ns);
    to.copy_ns.put_if(row, e.copy_ns);
    to.remap_ns.put_if(row, e.remap_ns);
}

fn append_batch(to: &mut Buffers, row: usize, e: &Batch) {
    to.asked.put_if(row, e.asked);
    to.succeeded.put(row, e.succeeded);
    to.failed.put(row, e.failed);
    to.cause.put(row, e.cause.word());
    to.mode.put(row, &e.mode);
    to.latency_ns.put(row, e.latency_ns);
}

fn append_request(to: &mut Buffers, row: usize, e: &Request) {
    to.name.put(row, e.name.word());
    to.addr.put_if(row, e.addr);
    to.len.put_if(row, e.len);
    to.policy.put_if(row, e.policy.map(|p| p.word()));
    to.flags.put(row, &e.flags);
    to.nodemask.put_if(row, e.nodemask.as_ref().map(NodeMask::to_string).as_deref());
    to.target_pid.put_if(row, e.target_pid);
    to.ret.put(row, e.ret);
    to.latency_ns.put(row, e.latency_ns);
}

fn append_task(to: &mut Buffers, row: usize, e: &Task) {
    to.what.put(row, e.what.word());
    to.from_node.put_if(row, e.from_node);
    to.to_node.put_if(row, e.to_node);
    to.target_pid.put_if(row, e.target_pid);
    to.pages.put_if(row, e.pages);
}

fn append_region(to: &mut Buffers, row: usize, e: &Region) {
    to.addr.put(row, e.addr);
    to.len.put(row, e.len);
    to.class.put(row, e.class.word());
    to.name.put(row, &e.name);
    to.policy.put_if(row, e.policy.map(|p| p.word()));
}

fn append_loss(to: &mut Buffers, row: usize, e: &Loss) {
    to.probe.put(row, &e.probe);
    to.cause.put(row, &e.cause);
    to.count.put(row, e.count);
}
