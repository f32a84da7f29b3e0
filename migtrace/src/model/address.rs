//! Arithmetic of virtual addresses: pages, and the folio that an address is in.

pub use crate::units::PAGE_BYTES;

/// Address of the first byte of the page that contains `addr`.
#[must_use]
pub const fn page_start(addr: u64) -> u64 {
    addr & !(PAGE_BYTES - 1)
}

/// Number of pages that `[addr, addr + len)` overlaps.
#[must_use]
pub const fn pages_of(addr: u64, len: u64) -> u64 {
    let end = addr.saturating_add(len);
    end.div_ceil(PAGE_BYTES).saturating_sub(addr / PAGE_BYTES)
}

/// Address of the first byte of the folio that contains `addr`. Large folios are aligned to their size, both in
/// physical memory and in address spaces.
pub(crate) const fn folio_start(addr: u64, order: u32) -> u64 {
    page_start(addr) & !((PAGE_BYTES << order) - 1)
}
