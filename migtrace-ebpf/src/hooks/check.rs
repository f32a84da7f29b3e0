//! What the two checks of a folio against policy have in common.

use migtrace_common::{
    kinds::{CheckPath, RecordKind},
    record::NO_TIME,
    tally::TallyKey,
};

use crate::{filter, state::Increment, thread};

/// Whether records of a check can be wanted.
#[inline(always)]
pub fn wants(addr: u64, src_nid: i32, dst_nid: i32) -> bool {
    filter::wants(RecordKind::CHECK) && filter::wants_addr(addr) && filter::wants_between(src_nid, dst_nid)
}

/// What a check adds to the tallies.
#[inline(always)]
pub fn increment(path: CheckPath, reason: i32, src_nid: i32, dst_nid: i32, order: u32) -> Increment {
    let key = TallyKey {
        kind: RecordKind::CHECK.0,
        class: path.0,
        outcome: (src_nid == thread::cpu_nid()).into(),
        request: 0,
        reason,
        from_nid: src_nid,
        to_nid: dst_nid,
    };
    Increment { key, pages: 1 << (order & 63), latency_ns: NO_TIME }
}
