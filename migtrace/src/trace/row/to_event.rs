//! Rows as events.
//!
//! Nothing is trusted: a row that lacks what its kind needs, or holds a word or a number that its column cannot have, is an
//! error that names the column.

use std::{collections::HashSet, fmt, num::NonZeroU32, str::FromStr, sync::Arc};

use crate::event::{
    self, Body, Check, CheckPath, Comm, Event, Fault, Loss, Mark, Migrate, NodeMask, Phase, Region, Request, Task, Work,
};
use crate::trace::{
    column::types::{Cell, Cells},
    schema::RowBatch,
};

/// Largest order that a folio can have: more is damage, and would overflow its number of pages.
const MAX_ORDER: u32 = 63;
/// Nodes from here on are damage: Linux has at most 1 << 10.
const MAX_NODES: u32 = 1 << 10;

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadRow {
    pub(crate) column: &'static str,
    /// The value that it has, `None` where it has none.
    pub(crate) found: Option<String>,
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Some(found) => write!(f, "column {} holds {found:?}", self.column),
            None => write!(f, "column {} is null", self.column),
        }
    }
}

/// Makes events of rows.
#[derive(Default)]
pub(crate) struct RowReader {
    /// Words that were seen: events share them.
    reasons: Shared,
    stacks: Shared,
}

/// Texts that a reader keeps so that events share them: of words a trace has a dozen, of stacks hundreds, a damaged one any
/// number of either.
#[derive(Default)]
struct Shared(HashSet<Arc<str>>);

/// Texts that are kept of each sort.
const SHARED: usize = 4096;

impl Shared {
    fn get(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let new: Arc<str> = Arc::from(text);
        if self.0.len() < SHARED {
            self.0.insert(new.clone());
        }
        new
    }
}

impl RowReader {
    /// The event in row `row` of `batch`, which must have that row.
    ///
    /// # Errors
    /// The row lacks something or holds a value that its column cannot have.
    pub(crate) fn event(&mut self, batch: &RowBatch, row: usize) -> Result<Event, BadRow> {
        let r = Row { batch, row };
        Ok(Event {
            ts_ns: r.need(&batch.ts_ns)?,
            cpu: r.need(&batch.cpu)?,
            cpu_node: batch.cpu_node.get(row),
            pid: r.need(&batch.pid)?,
            tid: r.need(&batch.tid)?,
            comm: Comm::from(r.need(&batch.comm)?),
            cgroup_id: r.need(&batch.cgroup_id)?,
            process_start_ns: batch.process_start_ns.get(row),
            weight: r.weight()?,
            kernel_stack: batch.kernel_stack.get(row).map(|s| self.stacks.get(s)),
            user_stack: batch.user_stack.get(row).map(|s| self.stacks.get(s)),
            body: self.body(&r)?,
        })
    }

    fn body(&mut self, r: &Row<'_>) -> Result<Body, BadRow> {
        Ok(match r.need(&r.batch.kind)? {
            "fault" => Body::Fault(self.fault(r)?),
            "check" => Body::Check(self.check(r)?),
            "mark" => Body::Mark(self.mark(r)?),
            "migrate" => self.migrate(r)?.into(),
            "batch" => Body::Batch(self.batch(r)?),
            "request" => request(r)?.into(),
            "task" => Body::Task(task(r)?),
            "region" => Body::Region(region(r)?),
            "phase" => Body::Phase(Phase { text: r.need(&r.batch.text)?.to_owned() }),
            "loss" => Body::Loss(loss(r)?),
            unknown => return Err(BadRow { column: "kind", found: Some(unknown.to_owned()) }),
        })
    }

    fn fault(&mut self, r: &Row<'_>) -> Result<Fault, BadRow> {
        Ok(Fault {
            addr: r.need(&r.batch.addr)?,
            ip: r.batch.ip.get(r.row),
            access: r.word(&r.batch.access)?,
            class: r.word_if(&r.batch.class)?,
            major: r.batch.major.get(r.row),
            nid: r.batch.nid.get(r.row),
            latency_ns: r.batch.latency_ns.get(r.row),
            result: r.batch.result.get(r.row).map(|w| self.reasons.get(w)),
        })
    }

    fn check(&mut self, r: &Row<'_>) -> Result<Check, BadRow> {
        let (policy, verdict) = (r.word_if(&r.batch.policy)?, r.word(&r.batch.verdict)?);
        let reason = r.batch.reason.get(r.row);
        Ok(Check {
            addr: r.need(&r.batch.addr)?,
            pfn: r.need(&r.batch.pfn)?,
            order: r.order()?,
            src_nid: r.need(&r.batch.src_nid)?,
            dst_nid: r.batch.dst_nid.get(r.row),
            policy,
            path: CheckPath::inferred(verdict, reason, policy),
            interleaved: r.need(&r.batch.interleaved)?,
            lazy: r.need(&r.batch.lazy)?,
            verdict,
            reason: reason.map(|w| self.reasons.get(w)),
        })
    }

    fn mark(&mut self, r: &Row<'_>) -> Result<Mark, BadRow> {
        Ok(Mark {
            addr: r.batch.addr.get(r.row),
            pfn: r.need(&r.batch.pfn)?,
            nid: r.need(&r.batch.nid)?,
            order: r.order()?,
            result: r.word(&r.batch.result)?,
            reason: r.batch.reason.get(r.row).map(|w| self.reasons.get(w)),
        })
    }

    fn migrate(&mut self, r: &Row<'_>) -> Result<Migrate, BadRow> {
        Ok(Migrate {
            addr: r.batch.addr.get(r.row),
            old_pfn: r.need(&r.batch.old_pfn)?,
            new_pfn: r.batch.new_pfn.get(r.row),
            order: r.order()?,
            src_nid: r.need(&r.batch.src_nid)?,
            dst_nid: r.batch.dst_nid.get(r.row),
            cause: r.word(&r.batch.cause)?,
            result: r.word(&r.batch.result)?,
            reason: r.batch.reason.get(r.row).map(|w| self.reasons.get(w)),
            latency_ns: r.batch.latency_ns.get(r.row),
            unmap_ns: r.batch.unmap_ns.get(r.row),
            copy_ns: r.batch.copy_ns.get(r.row),
            remap_ns: r.batch.remap_ns.get(r.row),
        })
    }

    fn batch(&mut self, r: &Row<'_>) -> Result<event::Batch, BadRow> {
        Ok(event::Batch {
            asked: r.batch.asked.get(r.row),
            succeeded: r.need(&r.batch.succeeded)?,
            failed: r.need(&r.batch.failed)?,
            unmoved: r.batch.unmoved.get(r.row),
            cause: r.word(&r.batch.cause)?,
            work: Work::of_mode(self.reasons.get(r.need(&r.batch.mode)?)),
            latency_ns: r.need(&r.batch.latency_ns)?,
        })
    }
}

fn request(r: &Row<'_>) -> Result<Request, BadRow> {
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

fn task(r: &Row<'_>) -> Result<Task, BadRow> {
    Ok(Task {
        what: r.word(&r.batch.what)?,
        from_node: r.batch.from_node.get(r.row),
        to_node: r.batch.to_node.get(r.row),
        target_pid: r.batch.target_pid.get(r.row),
        pages: r.batch.pages.get(r.row),
    })
}

fn region(r: &Row<'_>) -> Result<Region, BadRow> {
    Ok(Region {
        addr: r.need(&r.batch.addr)?,
        len: r.need(&r.batch.len)?,
        class: r.word(&r.batch.class)?,
        name: r.need(&r.batch.name)?.to_owned(),
        policy: r.word_if(&r.batch.policy)?,
    })
}

fn loss(r: &Row<'_>) -> Result<Loss, BadRow> {
    Ok(Loss {
        probe: r.need(&r.batch.probe)?.to_owned(),
        cause: r.need(&r.batch.cause)?.to_owned(),
        count: r.need(&r.batch.count)?,
    })
}

/// One row that is being read.
struct Row<'a> {
    batch: &'a RowBatch,
    row: usize,
}

impl<'a> Row<'a> {
    fn need<C: Cell>(&self, cells: &'a Cells<C>) -> Result<C::Native<'a>, BadRow> {
        cells.get(self.row).ok_or(BadRow { column: cells.name, found: None })
    }

    fn word<T: FromStr>(&self, cells: &Cells<String>) -> Result<T, BadRow> {
        self.word_if(cells)?.ok_or(BadRow { column: cells.name, found: None })
    }

    fn word_if<T: FromStr>(&self, cells: &Cells<String>) -> Result<Option<T>, BadRow> {
        let parse = |word: &str| word.parse().map_err(|_| BadRow { column: cells.name, found: Some(word.to_owned()) });
        cells.get(self.row).map(parse).transpose()
    }

    fn weight(&self) -> Result<Option<NonZeroU32>, BadRow> {
        let Some(weight) = self.batch.weight.get(self.row) else { return Ok(None) };
        let none = || BadRow { column: "weight", found: Some(weight.to_string()) };
        NonZeroU32::new(weight).map(Some).ok_or_else(none)
    }

    fn order(&self) -> Result<u32, BadRow> {
        let order = self.need(&self.batch.order)?;
        if order > MAX_ORDER {
            return Err(BadRow { column: "order", found: Some(order.to_string()) });
        }
        Ok(order)
    }

    fn nodemask(&self) -> Result<Option<NodeMask>, BadRow> {
        let Some(text) = self.batch.nodemask.get(self.row) else { return Ok(None) };
        let bad = || BadRow { column: "nodemask", found: Some(text.to_owned()) };
        let in_range = |part: &str| part.trim().parse::<u32>().is_ok_and(|node| node < MAX_NODES);
        if !text.is_empty() && !text.split([',', '-']).all(in_range) {
            return Err(bad());
        }
        text.parse().map(Some).map_err(|_| bad())
    }
}
