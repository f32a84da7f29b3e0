//! What the programs do, by subject.

pub mod check;
pub mod fault;
pub mod folio;
pub mod mark;
pub mod migrate;
pub mod request;
pub mod sched;

use aya_ebpf::{EbpfContext, helpers::bpf_probe_read_kernel};

/// Reads a `T` at `base + offset` of kernel memory; `None` where there is nothing.
#[inline(always)]
pub fn read_kernel<T>(base: u64, offset: u32) -> Option<T> {
    // SAFETY: the helper checks the address itself and copies; nothing is dereferenced here.
    unsafe { bpf_probe_read_kernel((base + u64::from(offset)) as *const T) }.ok()
}

/// Argument `n` of a traced function as a mere number.
///
/// `ctx.arg()` gives a pointer whose type the verifier knows, and with which it forbids to calculate ("math between ptr_
/// pointer and ... is not allowed"); what is read from the same memory by a helper is only a number to it.
#[inline(always)]
pub fn arg_number(ctx: &impl EbpfContext, n: u32) -> u64 {
    read_kernel(ctx.as_ptr() as u64, n * 8).unwrap_or(0)
}
