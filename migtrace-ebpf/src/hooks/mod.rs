//! What the programs do, by subject.

pub mod check;
pub mod fault;
pub mod folio;
pub mod mark;
pub mod migrate;
pub mod request;
pub mod sched;

use aya_ebpf::helpers::bpf_probe_read_kernel;

/// Reads a `T` at `base + offset` of kernel memory; `None` where there is nothing.
#[inline(always)]
pub fn read_kernel<T>(base: u64, offset: u32) -> Option<T> {
    // SAFETY: the helper checks the address itself and copies; nothing is dereferenced here.
    unsafe { bpf_probe_read_kernel((base + u64::from(offset)) as *const T) }.ok()
}
