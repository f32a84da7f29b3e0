//! One row of a trace, field by field.
//!
//! Nothing is trusted. It is an error, with the column's name, if a row lacks a value that its kind requires. So is a
//! word or number that is invalid in its column.

use std::{collections::HashSet, fmt, num::NonZeroU32, str::FromStr, sync::Arc};

use crate::{
    event::{Comm, NodeMask, Owner, OwnerProcess, ProcessId},
    trace::{
        column::types::{Cell, Cells},
        schema::RowBatch,
    },
};

/// Maximum order of a folio. A larger one is damage, and would overflow its number of pages.
const MAX_ORDER: u32 = 63;
/// Node ids from here on are damage: Linux has at most 1 << 10.
const MAX_NODES: u32 = 1 << 10;

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadRow {
    pub(crate) column: &'static str,
    /// Its value, `None` if it is null.
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

/// The fields of one row.
pub(super) struct Fields<'a> {
    pub(super) batch: &'a RowBatch,
    pub(super) row: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn need<C: Cell>(&self, cells: &'a Cells<C>) -> Result<C::Native<'a>, BadRow> {
        cells.get(self.row).ok_or(BadRow { column: cells.name, found: None })
    }

    pub(super) fn word<T: FromStr>(&self, cells: &Cells<String>) -> Result<T, BadRow> {
        self.word_if(cells)?.ok_or(BadRow { column: cells.name, found: None })
    }

    pub(super) fn word_if<T: FromStr>(&self, cells: &Cells<String>) -> Result<Option<T>, BadRow> {
        let parse = |word: &str| word.parse().map_err(|_| BadRow { column: cells.name, found: Some(word.to_owned()) });
        cells.get(self.row).map(parse).transpose()
    }

    pub(super) fn weight(&self) -> Result<Option<NonZeroU32>, BadRow> {
        let Some(weight) = self.batch.weight.get(self.row) else { return Ok(None) };
        let bad = || BadRow { column: "weight", found: Some(weight.to_string()) };
        u32::try_from(weight).ok().and_then(NonZeroU32::new).map(Some).ok_or_else(bad)
    }

    /// A 32-bit number in a 64-bit column.
    pub(super) fn narrow(&self, cells: &Cells<u64>) -> Result<Option<u32>, BadRow> {
        let narrow = |n: u64| u32::try_from(n).map_err(|_| BadRow { column: cells.name, found: Some(n.to_string()) });
        cells.get(self.row).map(narrow).transpose()
    }

    /// The owner of the row's page.
    pub(super) fn owner(&self) -> Result<Owner, BadRow> {
        let batch = self.batch;
        let Some(pid) = batch.owner_pid.get(self.row) else {
            // A kind without pages has no owner, and events of it compare equal.
            let has_page = matches!(batch.kind.get(self.row), Some("fault" | "check" | "mark" | "migrate" | "census"));
            return Ok(if has_page { Owner::Unknown } else { Owner::Actor });
        };
        if pid == self.need(&batch.pid)? {
            return Ok(Owner::Actor);
        }
        Ok(Owner::Other(Box::new(OwnerProcess {
            process: ProcessId { pid, start_ns: batch.owner_start_ns.get(self.row) },
            comm: Comm::from(self.need(&batch.owner_comm)?),
            cgroup_id: self.need(&batch.owner_cgroup_id)?,
        })))
    }

    pub(super) fn order(&self) -> Result<u32, BadRow> {
        self.order_if()?.ok_or(BadRow { column: "order", found: None })
    }

    pub(super) fn order_if(&self) -> Result<Option<u32>, BadRow> {
        let order = self.batch.order.get(self.row);
        match order {
            Some(order) if order > MAX_ORDER => Err(BadRow { column: "order", found: Some(order.to_string()) }),
            order => Ok(order),
        }
    }

    pub(super) fn nodemask(&self) -> Result<Option<NodeMask>, BadRow> {
        let Some(text) = self.batch.nodemask.get(self.row) else { return Ok(None) };
        let bad = || BadRow { column: "nodemask", found: Some(text.to_owned()) };
        let in_range = |part: &str| part.trim().parse::<u32>().is_ok_and(|node| node < MAX_NODES);
        if !text.is_empty() && !text.split([',', '-']).all(in_range) {
            return Err(bad());
        }
        text.parse().map(Some).map_err(|_| bad())
    }
}

/// Texts that events share. A trace has a dozen words and hundreds of stacks; a damaged one can have any number.
#[derive(Default)]
pub(super) struct Shared(HashSet<Arc<str>>);

/// Maximum number of texts in a [`Shared`].
const SHARED: usize = 4096;

impl Shared {
    pub(super) fn get(&mut self, text: &str) -> Arc<str> {
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
