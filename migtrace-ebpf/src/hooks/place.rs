//! Changes of a virtual page's place that are no migration: where it is mapped, on which node, or that it is gone.
//!
//! Only recorded if the collector wants them: a process that frees memory makes many.

use aya_ebpf::programs::tracing::StackIdContext;
use migtrace_common::{
    config::ABSENT,
    counters::Probe,
    kinds::{FaultClass, PlaceChange, RecordKind},
    record::{NO_ADDR, NO_NODE, Owner, Place},
};

use super::{
    args::{Args, Returned},
    folio::Folio,
    owner, page_table,
};
use crate::{
    account::Program,
    config::config,
    emit, filter,
    kernel_memory::{copy_words, read_kernel},
    maps::THREADS,
    state::{FOREIGN, FaultStart, IN_SWAP_CACHE, ThreadState},
    thread,
};

/// The programs that count these changes.
const IN_FAULT: Program = Program::new(Probe::Place, 0);
const AT_UNMAP: Program = Program::new(Probe::Place, 1);
const AT_RECLAIM: Program = Program::new(Probe::Place, 2);
const AT_REMAP: Program = Program::new(Probe::Place, 3);
const AT_MERGE: Program = Program::new(Probe::Place, 4);
pub const AT_COLLAPSE: Program = Program::new(Probe::Place, 5);
/// At the end of a migration, see [`migrated`].
pub const AT_PTE: Program = Program::new(Probe::Place, 6);
pub const AT_PMD: Program = Program::new(Probe::Place, 7);
const AT_MAP: Program = Program::new(Probe::Place, 8);
const AT_FILL: Program = Program::new(Probe::Place, 9);
const AT_MOVE: Program = Program::new(Probe::Place, 10);

pub const PAGE: u64 = 4096;

/// A change of place.
struct Change {
    what: PlaceChange,
    addr: u64,
    len: u64,
    from_addr: u64,
    src_nid: i32,
    dst_nid: i32,
}

impl Change {
    /// A change of one page at `addr`.
    #[inline(always)]
    const fn of_page(what: PlaceChange, addr: u64, src_nid: i32, dst_nid: i32) -> Self {
        Self { what, addr: addr & !(PAGE - 1), len: PAGE, from_addr: NO_ADDR, src_nid, dst_nid }
    }
}

/// handle_mm_fault() returned. A write may have copied a page, and a page may have come back from swap.
#[inline(always)]
pub fn after_fault(ctx: &impl StackIdContext, state: &mut ThreadState, start: &FaultStart) {
    let protected = state.protected_entry;
    state.protected_entry = 0;
    let class = FaultClass(if start.details & IN_SWAP_CACHE == 0 { start.class as u8 } else { FaultClass::SWAP.0 });
    if class != FaultClass::COW && class != FaultClass::SWAP {
        return;
    }
    let entry = page_table::entry(start.pgd, start.addr);
    let (nid, page) = (entry.nid(start.addr), entry.page(start.addr));
    if nid == NO_NODE {
        return;
    }
    let change = if class == FaultClass::SWAP {
        Change::of_page(PlaceChange::SWAP_IN, start.addr, NO_NODE, nid)
    } else {
        let Some(old) = Folio::of_pfn(page_table::entry_pfn(protected)) else { return };
        let old_nid = old.own_nid();
        // The write may use the page itself.
        if protected == 0 || page == Some(old) || old_nid == NO_NODE {
            return;
        }
        Change::of_page(PlaceChange::COW, start.addr, old_nid, nid)
    };
    let mm = if start.details & FOREIGN != 0 { state.foreign_mm } else { state.own_mm };
    record(IN_FAULT, ctx, mm, &change);
}

/// unmap_single_vma(tlb, vma, start, end, details) begins to remove mappings.
#[inline(always)]
pub fn unmap(ctx: &impl Args) {
    let vma = ctx.arg(1);
    let (first, last): (u64, u64) = (ctx.load(vma, config!(vma_start)), ctx.load(vma, config!(vma_end)));
    let (start, end) = (ctx.number(2).max(first), ctx.number(3).min(last));
    let mm: u64 = ctx.load(vma, config!(vma_mm));
    // A process that exits, or executes another program, unmaps everything.
    let exits = config!(mm_users) != ABSENT && ctx.load::<u32>(mm, config!(mm_users)) == 0;
    if start >= end || exits {
        return;
    }
    let (what, from_addr, len) = (PlaceChange::UNMAP, NO_ADDR, end - start);
    let change = Change { what, addr: start, len, from_addr, src_nid: NO_NODE, dst_nid: NO_NODE };
    record(AT_UNMAP, ctx, mm, &change);
}

/// try_to_unmap_one(folio, vma, address, arg) returned: whether reclaim, or a lazy mark, removed the folio's mapping.
#[inline(always)]
pub fn reclaim(ctx: &(impl Args + Returned)) {
    // A bool: only one byte of the return value is valid.
    if ctx.ret(4) as u8 == 0 {
        return;
    }
    let (folio, vma, addr) = (Folio(ctx.number(0)), ctx.arg(1), ctx.number(2));
    let (mm, end): (u64, u64) = (ctx.load(vma, config!(vma_mm)), ctx.load(vma, config!(vma_end)));
    // The mapping can end within a large folio.
    let len = (PAGE << (folio.order() & 31)).min(end.saturating_sub(addr));
    let change = Change { len, ..Change::of_page(PlaceChange::UNMAP, addr, folio.nid(), NO_NODE) };
    record(AT_RECLAIM, ctx, mm, &change);
}

/// move_page_tables() begins to move mappings from one address to another.
#[inline(always)]
pub fn remap(ctx: &impl Args) {
    let arg = ctx.arg(0);
    let (vma, from_addr, addr, len): (u64, u64, u64, u64) = if config!(pmc_old) == ABSENT {
        // (vma, old_addr, new_vma, new_addr, len, ...)
        (arg, ctx.number(1), ctx.number(3), ctx.number(4))
    } else {
        let field = |offset: u32| ctx.load(arg, offset);
        (field(config!(pmc_old)), field(config!(pmc_old_addr)), field(config!(pmc_new_addr)), field(config!(pmc_len)))
    };
    let mm: u64 = read_kernel(vma, config!(vma_mm));
    let change = Change { what: PlaceChange::REMAP, addr, len, from_addr, src_nid: NO_NODE, dst_nid: NO_NODE };
    record(AT_REMAP, ctx, mm, &change);
}

/// try_to_merge_with_ksm_page(rmap_item, page, kpage) returned: `kpage` may have replaced `page`.
#[inline(always)]
pub fn ksm_merge(ctx: &(impl Args + Returned)) {
    let (item, page, merged) = (ctx.number(0), ctx.number(1), ctx.number(2));
    // Without `kpage`, `page` itself becomes the one that others can share.
    if ctx.ret(3) as i32 != 0 || merged == 0 || merged == page || config!(rmap_item_mm) == ABSENT {
        return;
    }
    let mm: u64 = read_kernel(item, config!(rmap_item_mm));
    // The bits below the page's number are the kernel's own.
    let addr: u64 = read_kernel(item, config!(rmap_item_address));
    record(AT_MERGE, ctx, mm, &Change::of_page(PlaceChange::KSM, addr, Folio(page).nid(), Folio(merged).nid()));
}

/// A folio has migrated. This mapping of it, at `addr`, is not the one in the folio's own record.
#[inline(always)]
pub fn migrated(program: Program, ctx: &impl StackIdContext, mm: u64, addr: u64, len: u64, nids: [i32; 2]) {
    let [src_nid, dst_nid] = nids;
    record(program, ctx, mm, &Change { len, ..Change::of_page(PlaceChange::MIGRATE, addr, src_nid, dst_nid) });
}

/// set_pte_range(vmf, folio, page, count, address): a fault maps pages of a file.
#[inline(always)]
pub fn mapped_pages(ctx: &impl Args) {
    mapped_around(ctx, ctx.number(2), u64::from(ctx.number(3) as u32), ctx.number(4));
}

/// do_set_pte(vmf, page, address), before Linux 6.6.
#[inline(always)]
pub fn mapped_page(ctx: &impl Args) {
    mapped_around(ctx, ctx.number(1), 1, ctx.number(2));
}

/// The page that was touched is in the fault's own record.
#[inline(always)]
fn mapped_around(ctx: &impl Args, page: u64, count: u64, addr: u64) {
    if config!(vmf_vma) == ABSENT {
        return;
    }
    let touched = THREADS.of_current().map_or(0, |state| state.fault.addr & !(PAGE - 1));
    if count == 1 && addr == touched {
        return;
    }
    let vma: u64 = ctx.load(ctx.arg(0), config!(vmf_vma));
    let mm: u64 = ctx.load(vma, config!(vma_mm));
    let change =
        Change { len: count * PAGE, ..Change::of_page(PlaceChange::MAP_AROUND, addr, NO_NODE, Folio(page).nid()) };
    record(AT_MAP, ctx, mm, &change);
}

/// mfill_atomic_install_pte(dst_pmd, dst_vma, dst_addr, page, newly_allocated, flags) returned: userfaultfd(2) may have
/// mapped a page.
#[inline(always)]
pub fn filled(ctx: &(impl Args + Returned)) {
    if ctx.ret(6) as i32 == 0 {
        record_filled(ctx, ctx.number(1), ctx.number(2), ctx.number(3));
    }
}

/// mfill_atomic_install_pte(dst_mm, dst_pmd, dst_vma, dst_addr, page, newly_allocated, wp_copy) begins, before Linux 6.4.
/// It fails if a page is there.
#[inline(always)]
pub fn fill_begin(ctx: &impl Args) {
    let (mm, vma, addr) = (ctx.number(0), ctx.number(2), ctx.number(3));
    let pgd: u64 = read_kernel(mm, config!(mm_pgd));
    // A later kernel has other arguments.
    let is_known = read_kernel::<u64>(vma, config!(vma_mm)) == mm;
    if is_known && !page_table::entry(pgd, addr).is_present() {
        record_filled(ctx, vma, addr, ctx.number(4));
    }
}

#[inline(always)]
fn record_filled(ctx: &impl Args, vma: u64, addr: u64, page: u64) {
    let mm: u64 = read_kernel(vma, config!(vma_mm));
    record(AT_FILL, ctx, mm, &Change::of_page(PlaceChange::UFFD, addr, NO_NODE, Folio(page).nid()));
}

/// move_pages(ctx, dst_start, src_start, len, mode) of userfaultfd(2) returned how many bytes it moved. In Linux 6.8 the
/// address space comes after `ctx`.
#[inline(always)]
pub fn userfault_moved(ctx: &(impl Args + Returned)) {
    if config!(userfault_mm) == ABSENT {
        return;
    }
    let (first, len) = (ctx.number(1), ctx.ret_of_any());
    let mm: u64 = read_kernel(ctx.number(0), config!(userfault_mm));
    let (addr, from_addr) = if first == mm { (ctx.number(2), ctx.number(3)) } else { (first, ctx.number(2)) };
    if len as i64 > 0 {
        let change = Change { what: PlaceChange::UFFD, addr, len, from_addr, src_nid: NO_NODE, dst_nid: NO_NODE };
        record(AT_MOVE, ctx, mm, &change);
    }
}

/// Whether the filter wants a change at `addr` in the address space `mm`: made by the running thread, or in memory of a
/// process that it selects.
#[inline(always)]
pub fn is_wanted(mm: u64, addr: u64) -> bool {
    let unmet = filter::unmet(thread::current());
    filter::wants(RecordKind::PLACE)
        && filter::wants_here()
        && filter::wants_addr(addr)
        && (unmet == 0 || owner::meets(unmet, owner::task_of(mm)))
}

#[inline(always)]
fn record(program: Program, ctx: &impl StackIdContext, mm: u64, change: &Change) {
    if !is_wanted(mm, change.addr) || !filter::wants_between(change.src_nid, change.dst_nid) {
        return program.filtered();
    }
    let (thread, ts_ns) = (thread::current(), thread::now());
    emit::commit_on_stack(program, ctx, |record| {
        let record: *mut Place = record.as_mut_ptr();
        // SAFETY: in bounds of the reserved record, every byte of which is written.
        unsafe {
            (*record).header = emit::header::<Place>(thread, Probe::Place, ts_ns);
            (*record).addr = change.addr;
            (*record).len = change.len;
            (*record).from_addr = change.from_addr;
            (*record).src_nid = change.src_nid;
            (*record).dst_nid = change.dst_nid;
            (*record).what = change.what.0;
            (*record).pad = [0; 7];
            describe_owner(mm, &mut (*record).owner);
        }
    });
}

/// Writes the process that owns the address space `mm`.
#[inline(always)]
pub fn describe_owner(mm: u64, to: &mut Owner) {
    if owner::is_current(mm) {
        copy_words(to, &owner::ACTOR);
    } else {
        owner::describe(owner::task_of(mm), to);
    }
}
