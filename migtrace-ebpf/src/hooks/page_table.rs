//! Page tables of x86, walked with this kernel's offsets: the page behind an address.

use migtrace_common::record::NO_NODE;

use super::folio::Folio;
use crate::{
    config::config,
    kernel_memory::{read_by_helper, read_kernel, variable},
    kfunc,
};

const PRESENT: u64 = 1;
const HUGE: u64 = 1 << 7;
const FRAME: u64 = 0x000f_ffff_ffff_f000;

/// The entry that ends a walk.
#[derive(Clone, Copy)]
pub struct Entry {
    value: u64,
    /// It maps `1 << shift` bytes.
    pub shift: u32,
}

impl Entry {
    /// The entry for an address without any page table.
    const NONE: Self = Self { value: 0, shift: 0 };

    /// Whether it maps a page.
    #[inline(always)]
    pub fn is_present(self) -> bool {
        self.value & PRESENT != 0
    }

    /// The node of the page that it maps at `addr`, [`NO_NODE`] if it maps none.
    #[inline(always)]
    pub fn nid(self, addr: u64) -> i32 {
        if self.value & PRESENT == 0 {
            return NO_NODE;
        }
        self.page(addr).map_or(NO_NODE, Folio::nid)
    }

    /// The page that it maps at `addr`, if it is present.
    #[inline(always)]
    pub fn page(self, addr: u64) -> Option<Folio> {
        let within = (1u64 << self.shift) - 1;
        Folio::of_pfn(((self.value & FRAME & !within) | (addr & within)) >> 12)
    }

    /// The folio that is being migrated, if this is a migration entry.
    ///
    /// The offset in a swap entry of x86 is inverted, and has 9 bits below and 5 bits above it
    /// (arch/x86/include/asm/pgtable_64.h). For a migration entry it is a page frame, and since 5.19 flags above that.
    #[inline(always)]
    pub fn migrating(self) -> Option<Folio> {
        if self.value == 0 || self.value & PRESENT != 0 {
            return None;
        }
        let frame_bits = if config!(page_table_levels) == 5 { 52 - 12 } else { 46 - 12 };
        let offset = (!self.value << 5) >> 14;
        Folio::of_pfn(offset & ((1 << frame_bits) - 1)).map(Folio::head)
    }
}

/// The entry for `addr` in the address space of `pgd`.
///
/// Walks the page tables as x86 does (Intel SDM vol. 3, 4.5): reads only, through the direct map, without a lock. If an
/// entry changes meanwhile, the result is the page before or after the change, never a fault.
#[inline(always)]
pub fn entry(pgd: u64, addr: u64) -> Entry {
    // Tested once for all levels: a test for each would cost as much as half of its load.
    let word_type = config!(word_type);
    let entry = if word_type != 0 {
        walk(pgd, addr, |entry| kfunc::peek(word_type, entry))
    } else {
        walk(pgd, addr, |entry| read_by_helper(entry).unwrap_or(0))
    };
    entry.unwrap_or(Entry::NONE)
}

/// The page frame in a page table's entry that is present.
#[inline(always)]
pub fn entry_pfn(entry: u64) -> u64 {
    (entry & FRAME) >> 12
}

/// Address of the page table whose entries map single pages around `addr`; `None` if there is none.
#[inline(always)]
pub fn table_of_pages(pgd: u64, addr: u64) -> Option<u64> {
    descend(pgd, addr, read).ok()
}

/// Entry `number` of such a page table.
#[inline(always)]
pub fn entry_in(table: u64, number: usize) -> Entry {
    Entry { value: read(table + number as u64 * 8), shift: 12 }
}

/// The word at an address; 0 if it is not mapped.
#[inline(always)]
fn read(addr: u64) -> u64 {
    read_kernel(addr, 0)
}

/// The entry for `addr`; `read` gives the word at an address. `None` if a table is missing.
#[inline(always)]
fn walk(pgd: u64, addr: u64, read: impl Fn(u64) -> u64) -> Option<Entry> {
    match descend(pgd, addr, &read) {
        Ok(table) => Some(Entry { value: read(table + ((addr >> 12) & 511) * 8), shift: 12 }),
        Err(entry) => entry,
    }
}

/// Address of the last table for `addr`, or the entry that ends the walk before it; `None` if a table is missing.
#[inline(always)]
fn descend(pgd: u64, addr: u64, read: impl Fn(u64) -> u64) -> Result<u64, Option<Entry>> {
    // The entry of a table whose entries map `1 << shift` bytes each.
    let entry = |table: u64, shift: u32| read(table + ((addr >> shift) & 511) * 8);
    let present = |entry: u64| if entry & PRESENT != 0 { Ok(entry & FRAME) } else { Err(None) };
    let direct = variable(config!(page_offset_base_addr), config!(page_offset_base)).ok_or(None)?;
    let mut table = pgd;
    if config!(page_table_levels) == 5 {
        table = direct + present(entry(table, 48))?;
    }
    table = direct + present(entry(table, 39))?;
    let pud = entry(table, 30);
    if pud & (PRESENT | HUGE) != PRESENT {
        return Err(Some(Entry { value: pud, shift: 30 }));
    }
    let pmd = entry(direct + (pud & FRAME), 21);
    if pmd & (PRESENT | HUGE) != PRESENT {
        return Err(Some(Entry { value: pmd, shift: 21 }));
    }
    Ok(direct + (pmd & FRAME))
}
