//! Folios and page tables, read with this kernel's offsets: page frame, node, order, and the page behind an address.

use migtrace_common::{
    config::ABSENT,
    record::{NO_NODE, NO_PFN},
};

use super::{ask_kernel, read_kernel, try_read_kernel};
use crate::{config::config, kfunc};

/// A folio by the address of its struct.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Folio(pub u64);

impl Folio {
    /// Its first page frame.
    #[inline(always)]
    pub fn pfn(self) -> u64 {
        match vmemmap() {
            Some(base) if self.0 >= base => (self.0 - base) / u64::from(config!(sizeof_page)),
            _ => NO_PFN,
        }
    }

    /// The node that it resides on: the top bits of its flags.
    #[inline(always)]
    pub fn nid(self) -> i32 {
        let shift = config!(nodes_shift);
        match self.flags() {
            _ if shift == ABSENT => NO_NODE,
            Some(_) if shift == 0 => 0,
            Some(flags) => (flags >> (64 - shift)) as i32,
            None => NO_NODE,
        }
    }

    /// Its order: 0 for one page.
    #[inline(always)]
    pub fn order(self) -> u32 {
        if self.flags().unwrap_or(0) >> config!(pg_head) & 1 == 0 {
            return 0;
        }
        read_kernel::<u8>(self.0, config!(folio_order)).into()
    }

    /// `None` for a page frame without a struct: a device's memory.
    #[inline(always)]
    fn flags(self) -> Option<u64> {
        try_read_kernel(self.0, config!(folio_flags))
    }
}

#[inline(always)]
fn vmemmap() -> Option<u64> {
    variable(config!(vmemmap_base_addr), config!(vmemmap_base))
}

/// A kernel variable, or the constant that this kernel has in its place; `None` where neither is known.
#[inline(always)]
fn variable(addr: u64, constant: u64) -> Option<u64> {
    let value = if addr == 0 { constant } else { read_kernel(addr, 0) };
    (value != 0).then_some(value)
}

const PRESENT: u64 = 1;
const HUGE: u64 = 1 << 7;
const FRAME: u64 = 0x000f_ffff_ffff_f000;

/// The node of the page that `addr` maps in the address space of `pgd`, [`NO_NODE`] where it maps none.
///
/// Walks the page tables as x86 does (Intel SDM vol. 3, 4.5): reads only, through the direct map, without a lock, so an
/// entry that changes meanwhile gives the page before or after the change, never a fault.
#[inline(always)]
pub fn nid_mapped(pgd: u64, addr: u64) -> i32 {
    // One question for all levels: each would cost as much as half of the load.
    let word_type = config!(word_type);
    let pfn = if word_type != 0 {
        walk(pgd, addr, |entry| kfunc::peek(word_type, entry))
    } else {
        walk(pgd, addr, |entry| ask_kernel(entry).unwrap_or(0))
    };
    pfn.and_then(page).map_or(NO_NODE, Folio::nid)
}

/// The struct of a page frame: a folio's own where it is the first of one.
#[inline(always)]
pub fn page(pfn: u64) -> Option<Folio> {
    Some(Folio(vmemmap()? + pfn * u64::from(config!(sizeof_page))))
}

/// The page frame in a page table's entry that is present.
#[inline(always)]
pub fn entry_pfn(entry: u64) -> u64 {
    (entry & FRAME) >> 12
}

/// The page frame behind `addr`; `read` gives the entry at an address.
#[inline(always)]
fn walk(pgd: u64, addr: u64, read: impl Fn(u64) -> u64) -> Option<u64> {
    // The present entry of a table where one maps `1 << shift` bytes.
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
