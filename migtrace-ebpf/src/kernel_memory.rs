//! Reads of kernel memory at addresses that the verifier knows nothing about.

use aya_ebpf::helpers::bpf_probe_read_kernel;

use crate::{config::config, kfunc};

/// The `T`, of at most 8 bytes, at `base + offset`; 0 if the address is not mapped.
#[inline(always)]
pub fn read_kernel<T: Copy + Default>(base: u64, offset: u32) -> T {
    let (addr, word_type) = (base + u64::from(offset), config!(word_type));
    if word_type != 0 { kfunc::peek(word_type, addr) } else { read_by_helper(addr).unwrap_or_default() }
}

/// As [`read_kernel`], but `None` if the address is not mapped, as far as the kernel allows the helper that knows.
#[inline(always)]
pub fn try_read_kernel<T: Copy + Default + PartialEq>(base: u64, offset: u32) -> Option<T> {
    let (addr, word_type) = (base + u64::from(offset), config!(word_type));
    if word_type != 0 {
        let value: T = kfunc::peek(word_type, addr);
        if value != T::default() {
            return Some(value);
        }
        if config!(no_read_helpers) != 0 {
            return None;
        }
    }
    read_by_helper(addr)
}

/// The `T` at `addr` by the helper, which every kernel has; `None` if the address is not mapped.
#[inline(always)]
pub fn read_by_helper<T>(addr: u64) -> Option<T> {
    // SAFETY: the helper checks the address itself and copies; nothing is dereferenced here.
    unsafe { bpf_probe_read_kernel(addr as *const T) }.ok()
}

/// A kernel variable, or the constant that replaces it in this kernel; `None` if neither is known.
#[inline(always)]
pub fn variable(addr: u64, constant: u64) -> Option<u64> {
    let value = if addr == 0 { constant } else { read_kernel(addr, 0) };
    (value != 0).then_some(value)
}
