//! Pages that become one huge page, by khugepaged or MADV_COLLAPSE: a change of place ([`super::place`]) for each run of
//! pages that were on one node.

use aya_ebpf::helpers::generated::bpf_loop;
use migtrace_common::{
    config::ABSENT,
    counters::Probe,
    kinds::PlaceChange,
    record::{NO_ADDR, NO_NODE, Place},
};

use super::{
    args::{Args, Returned},
    folio::Folio,
    page_table,
    place::{self, AT_COLLAPSE, PAGE},
};
use crate::{
    config::config,
    emit,
    kernel_memory::{copy_words, read_kernel},
    maps::{COLLAPSES, Collapse, HUGE_PAGES, NO_COLLAPSE},
    thread,
};

/// How the pages of a huge page are gone through.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    /// By the helper bpf_loop(): the verifier checks the body once.
    Helper,
    /// By a plain loop, before Linux 5.17. The verifier checks each round anew, for half a second.
    Loop,
}

impl Walk {
    /// Calls `body` with each number below `count`, until it returns something but 0.
    #[inline(always)]
    fn each(self, count: usize, body: extern "C" fn(u64, *const Rounds) -> i64, rounds: &Rounds) {
        match self {
            // SAFETY: the helper calls the function with a number below `count` and the pointer, which stays valid.
            Self::Helper => unsafe {
                let rounds = core::ptr::from_ref(rounds).cast_mut().cast();
                bpf_loop(count as u32, body as *mut core::ffi::c_void, rounds, 0);
            },
            Self::Loop => {
                for n in 0..count {
                    if body(n as u64, rounds) != 0 {
                        break;
                    }
                }
            }
        }
    }
}

/// What each round knows.
#[repr(C)]
struct Rounds {
    /// In the map's own memory; the entry is this thread's.
    collapse: *mut Collapse,
    /// The page table that maps the pages.
    table: u64,
}

/// collapse_huge_page(mm, address, ...) begins, or the scan around it, whose address is another argument: remembers on
/// which nodes the pages are.
#[inline(always)]
pub fn begin(ctx: &impl Args, address: usize, walk: Walk) {
    let (thread, mm, addr) = (thread::current(), ctx.number(0), ctx.number(address));
    if !place::is_wanted(mm, addr) {
        return;
    }
    let Some(empty) = NO_COLLAPSE.get_ptr(0) else { return };
    // SAFETY: the map's own memory, which is never written.
    let _ = COLLAPSES.insert(&thread.tid, unsafe { &*empty }, 0);
    let Some(entry) = COLLAPSES.get_ptr_mut(thread.tid) else { return AT_COLLAPSE.lost_start() };
    // SAFETY: the map's own memory; the entry is this thread's.
    let collapse = unsafe { &mut *entry };
    (collapse.addr, collapse.mm) = (addr & !(HUGE_PAGES as u64 * PAGE - 1), mm);
    collapse.pgd = read_kernel(mm, config!(mm_pgd));
    collapse.last_nid = i32::MIN;
    let Some(table) = page_table::table_of_pages(collapse.pgd, collapse.addr) else { return };
    walk.each(HUGE_PAGES, see_page, &Rounds { collapse: entry, table });
    let runs = collapse.runs as usize & (2 * HUGE_PAGES - 1);
    if runs <= HUGE_PAGES {
        collapse.first[runs] = HUGE_PAGES as u16;
    }
}

/// Adds a page to the last run, or to a new one.
extern "C" fn see_page(page: u64, rounds: *const Rounds) -> i64 {
    let page = page as usize & (HUGE_PAGES - 1);
    // SAFETY: see Rounds.
    let (collapse, table) = unsafe { (&mut *(*rounds).collapse, (*rounds).table) };
    let entry = page_table::entry_in(table, page);
    let nid = if entry.is_present() { entry.page(0).map_or(NO_NODE, Folio::own_nid) } else { NO_NODE };
    // In memory: the verifier of a plain loop would follow each possible value of a local variable.
    // SAFETY: the map's own memory.
    let (last, runs) = unsafe {
        (core::ptr::read_volatile(&raw const collapse.last_nid), core::ptr::read_volatile(&raw const collapse.runs))
    };
    if nid != last {
        let run = runs as usize & (HUGE_PAGES - 1);
        collapse.first[run] = page as u16;
        collapse.nids[run] = nid as i16;
        // SAFETY: as above.
        unsafe {
            core::ptr::write_volatile(&raw mut collapse.last_nid, nid);
            core::ptr::write_volatile(&raw mut collapse.runs, runs + 1);
        }
    }
    0
}

/// The function returned: records each run of pages if they are one huge page now, by this collapse. Another one may have
/// come first while this waited for the mmap lock.
#[inline(always)]
pub fn end(ctx: &impl Returned, walk: Walk) {
    let thread = thread::current();
    let Some(entry) = COLLAPSES.get_ptr_mut(thread.tid) else { return };
    // SAFETY: the map's own memory; the entry is this thread's.
    let collapse = unsafe { &mut *entry };
    let huge = page_table::entry(collapse.pgd, collapse.addr);
    let succeeds = config!(collapse_succeeds);
    // Kernels without the helpers return nothing.
    let has_succeeded = walk == Walk::Loop || succeeds == ABSENT || ctx.ret_of_any() as u32 == succeeds;
    if has_succeeded && huge.is_present() && huge.shift == 21 {
        collapse.dst_nid = huge.nid(collapse.addr);
        collapse.ts_ns = thread::now();
        place::describe_owner(collapse.mm, &mut collapse.owner);
        walk.each(HUGE_PAGES, record_run, &Rounds { collapse: entry, table: 0 });
    }
    let _ = COLLAPSES.remove(thread.tid);
}

/// Records one run; returns 1 after the last one. A plain loop has no room for more in the verifier, so there are no stacks.
extern "C" fn record_run(run: u64, rounds: *const Rounds) -> i64 {
    let run = run as usize & (HUGE_PAGES - 1);
    // SAFETY: see Rounds.
    let collapse = unsafe { &*(*rounds).collapse };
    if run as u64 >= collapse.runs {
        return 1;
    }
    let first = u64::from(collapse.first[run]);
    // One after the last run is the number of pages.
    let next = u64::from(collapse.first[run + 1]);
    emit::commit(AT_COLLAPSE, |record| {
        let record: *mut Place = record.as_mut_ptr();
        // SAFETY: in bounds of the reserved record, every byte of which is written.
        unsafe {
            (*record).header = emit::header::<Place>(thread::current(), Probe::Place, collapse.ts_ns);
            (*record).addr = collapse.addr + first * PAGE;
            (*record).len = (next - first) * PAGE;
            (*record).from_addr = NO_ADDR;
            (*record).src_nid = collapse.nids[run].into();
            (*record).dst_nid = collapse.dst_nid;
            (*record).what = PlaceChange::COLLAPSE.0;
            (*record).pad = [0; 7];
            copy_words(&mut (*record).owner, &collapse.owner);
        }
    });
    0
}
