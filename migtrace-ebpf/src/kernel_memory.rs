//! Reads of kernel memory at addresses that the verifier knows nothing about, and copies of structures.

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

/// Copies a structure word by word. The compiler would call a function that copies byte by byte, or copy through the
/// stack.
#[inline(always)]
pub fn copy_words<T: Copy>(to: &mut T, from: &T) {
    let words = const {
        assert!(size_of::<T>().is_multiple_of(8) && align_of::<T>() == 8);
        size_of::<T>() / 8
    };
    let (to, from): (*mut u64, *const u64) = (core::ptr::from_mut(to).cast(), core::ptr::from_ref(from).cast());
    for word in 0..words {
        // SAFETY: within both structures, which consist of aligned words.
        unsafe { to.add(word).write_volatile(from.add(word).read_volatile()) };
    }
}
