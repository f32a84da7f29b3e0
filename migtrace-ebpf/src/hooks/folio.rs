//! Folios, read with this kernel's offsets: page frame, node, order.

use migtrace_common::{
    config::ABSENT,
    record::{NO_NODE, NO_PFN},
};

use crate::{
    config::config,
    kernel_memory::{read_kernel, try_read_kernel, variable},
};

/// A folio by the address of its struct.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Folio(pub u64);

impl Folio {
    /// The struct of a page frame, which is the folio's own if the page is the first of the folio. `None` if this
    /// kernel's vmemmap is unknown.
    #[inline(always)]
    pub fn of_pfn(pfn: u64) -> Option<Self> {
        Some(Self(vmemmap()? + pfn * u64::from(config!(sizeof_page))))
    }

    /// The folio of a page by the address of its struct.
    #[inline(always)]
    pub fn head(self) -> Self {
        let head: u64 = if config!(page_head) == ABSENT { 0 } else { read_kernel(self.0, config!(page_head)) };
        if head & 1 == 1 { Self(head - 1) } else { self }
    }

    /// Its first page frame.
    #[inline(always)]
    pub fn pfn(self) -> u64 {
        match vmemmap() {
            Some(base) if self.0 >= base => (self.0 - base) / u64::from(config!(sizeof_page)),
            _ => NO_PFN,
        }
    }

    /// The node that it is on: the top bits of its flags.
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

    /// Its node if it is a process's own page; [`NO_NODE`] for a reserved one, as the page of zeroes is.
    #[inline(always)]
    pub fn own_nid(self) -> i32 {
        let is_reserved = self.flags().unwrap_or(0) >> config!(pg_reserved) & 1 != 0;
        if is_reserved { NO_NODE } else { self.nid() }
    }

    /// Its order: 0 for one page.
    #[inline(always)]
    pub fn order(self) -> u32 {
        if self.flags().unwrap_or(0) >> config!(pg_head) & 1 == 0 {
            return 0;
        }
        read_kernel::<u8>(self.0, config!(folio_order)).into()
    }

    /// `None` for a page frame without a struct: device memory.
    #[inline(always)]
    fn flags(self) -> Option<u64> {
        try_read_kernel(self.0, config!(folio_flags))
    }
}

#[inline(always)]
fn vmemmap() -> Option<u64> {
    variable(config!(vmemmap_base_addr), config!(vmemmap_base))
}
