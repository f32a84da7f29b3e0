//! Arithmetic of virtual addresses: pages, and the folio that an address is in.

/// Bytes of a page. The only architecture so far is x86-64.
pub const PAGE_BYTES: u64 = 4096;

/// The start of the page that holds the address.
#[must_use]
pub const fn page_start(addr: u64) -> u64 {
    addr & !(PAGE_BYTES - 1)
}

/// Pages that `[addr, addr + len)` touches.
#[must_use]
pub const fn pages_of(addr: u64, len: u64) -> u64 {
    let end = addr.saturating_add(len);
    end.div_ceil(PAGE_BYTES).saturating_sub(addr / PAGE_BYTES)
}

/// Where a folio of this order begins: large folios lie at multiples of their size, in memory as in address spaces.
pub(crate) const fn folio_start(addr: u64, order: u32) -> u64 {
    page_start(addr) & !((PAGE_BYTES << order) - 1)
}
