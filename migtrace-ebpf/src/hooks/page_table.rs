//! Page tables of x86, walked with this kernel's offsets: the node of the page behind an address.

use migtrace_common::record::NO_NODE;

use super::{
    folio::Folio,
    kernel_memory::{read_by_helper, variable},
};
use crate::{config::config, kfunc};

const PRESENT: u64 = 1;
const HUGE: u64 = 1 << 7;
const FRAME: u64 = 0x000f_ffff_ffff_f000;

/// The node of the page that `addr` maps in the address space of `pgd`, [`NO_NODE`] if it maps none.
///
/// Walks the page tables as x86 does (Intel SDM vol. 3, 4.5): reads only, through the direct map, without a lock. If an
/// entry changes meanwhile, the result is the page before or after the change, never a fault.
#[inline(always)]
pub fn nid_mapped(pgd: u64, addr: u64) -> i32 {
    // Tested once for all levels: a test for each would cost as much as half of its load.
    let word_type = config!(word_type);
    let pfn = if word_type != 0 {
        walk(pgd, addr, |entry| kfunc::peek(word_type, entry))
    } else {
        walk(pgd, addr, |entry| read_by_helper(entry).unwrap_or(0))
    };
    pfn.and_then(Folio::of_pfn).map_or(NO_NODE, Folio::nid)
}

/// The page frame in a page table's entry that is present.
#[inline(always)]
pub fn entry_pfn(entry: u64) -> u64 {
    (entry & FRAME) >> 12
}

/// The page frame behind `addr`; `read` gives the entry at an address.
#[inline(always)]
fn walk(pgd: u64, addr: u64, read: impl Fn(u64) -> u64) -> Option<u64> {
    // The entry, if it is present, of a table whose entries map `1 << shift` bytes each.
    let entry = |table: u64, shift: u32| {
        let entry = read(table + ((addr >> shift) & 511) * 8);
        (entry & PRESENT != 0).then_some(entry)
    };
    let direct = variable(config!(page_offset_base_addr), config!(page_offset_base))?;
    let mut table = pgd;
    if config!(page_table_levels) == 5 {
        table = direct + (entry(table, 48)? & FRAME);
    }
    table = direct + (entry(table, 39)? & FRAME);
    let pud = entry(table, 30)?;
    if pud & HUGE != 0 {
        return Some(frame(pud, addr, 30));
    }
    let pmd = entry(direct + (pud & FRAME), 21)?;
    if pmd & HUGE != 0 {
        return Some(frame(pmd, addr, 21));
    }
    let pte = entry(direct + (pmd & FRAME), 12)?;
    Some(frame(pte, addr, 12))
}

/// The page frame of `addr` under an entry that maps `1 << shift` bytes.
#[inline(always)]
fn frame(entry: u64, addr: u64, shift: u32) -> u64 {
    let within = (1u64 << shift) - 1;
    ((entry & FRAME & !within) | (addr & within)) >> 12
}
