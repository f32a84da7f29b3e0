//! Turns rows into events.

use super::{
    batch, census, check, fault,
    fields::{BadRow, Fields, Shared},
    loss, mark, migrate, node, place, region, request, task,
};
use crate::{
    event::{Body, Comm, Event, Owner, Phase},
    trace::schema::{OWNERS_SINCE, RowBatch},
};

/// Makes events from rows.
pub(crate) struct RowReader {
    /// Whether the format has owners of pages.
    has_owners: bool,
    /// Words read so far, which events share.
    words: Shared,
    stacks: Shared,
}

impl RowReader {
    /// For rows of this version of the format.
    pub(crate) fn new(format_version: u32) -> Self {
        Self { has_owners: format_version >= OWNERS_SINCE, words: Shared::default(), stacks: Shared::default() }
    }

    /// The event in row `row` of `batch`, which must have that row.
    ///
    /// # Errors
    /// The row lacks a value, or has one that is invalid in its column.
    pub(crate) fn event(&mut self, batch: &RowBatch, row: usize) -> Result<Event, BadRow> {
        let r = Fields { batch, row };
        Ok(Event {
            ts_ns: r.need(&batch.ts_ns)?,
            cpu: r.need(&batch.cpu)?,
            cpu_node: batch.cpu_node.get(row),
            pid: r.need(&batch.pid)?,
            tid: r.need(&batch.tid)?,
            comm: Comm::from(r.need(&batch.comm)?),
            cgroup_id: r.need(&batch.cgroup_id)?,
            process_start_ns: batch.process_start_ns.get(row),
            // Before, the process of the task was taken for the owner.
            owner: if self.has_owners { r.owner()? } else { Owner::Actor },
            weight: r.weight()?,
            kernel_stack: batch.kernel_stack.get(row).map(|s| self.stacks.get(s)),
            user_stack: batch.user_stack.get(row).map(|s| self.stacks.get(s)),
            body: self.body(&r)?,
        })
    }

    fn body(&mut self, r: &Fields<'_>) -> Result<Body, BadRow> {
        Ok(match r.need(&r.batch.kind)? {
            "fault" => Body::Fault(fault::get(r, &mut self.words)?),
            "check" => Body::Check(check::get(r, &mut self.words)?),
            "mark" => Body::Mark(mark::get(r, &mut self.words)?),
            "migrate" => migrate::get(r, &mut self.words)?.into(),
            "batch" => batch::get(r, &mut self.words)?.into(),
            "request" => request::get(r)?.into(),
            "task" => Body::Task(task::get(r)?),
            "region" => Body::Region(region::get(r)?),
            "phase" => Body::Phase(Phase { text: r.need(&r.batch.text)?.to_owned() }),
            "place" => Body::Place(Box::new(place::get(r)?)),
            "node" => Body::Node(Box::new(node::get(r)?)),
            "census" => Body::Census(Box::new(census::get(r)?)),
            "loss" => Body::Loss(loss::get(r)?),
            unknown => return Err(BadRow { column: "kind", found: Some(unknown.to_owned()) }),
        })
    }
}
