//! The kernel function (kfunc) that the programs call; [`migtrace_common::kfunc`] says how.

use migtrace_common::kfunc::STAND_IN;

/// The `T`, of at most 8 bytes, at `addr` of kernel memory, by a plain load that costs a tenth of a helper; 0 if the
/// address is not mapped. `word_type` is [`migtrace_common::config::Config::word_type`], which must not be 0: the
/// collector found the function.
#[inline(always)]
pub fn peek<T: Copy>(word_type: u32, addr: u64) -> T {
    // SAFETY: the compiler turns a call of a constant address into a call of the helper with that number and this
    // signature. The verifier accepts only loads through the returned pointer, and the kernel turns a fault of such a
    // load into 0.
    unsafe {
        let rdonly_cast: extern "C" fn(u64, u32) -> *const T = core::mem::transmute(STAND_IN as usize);
        core::ptr::read_volatile(rdonly_cast(addr, word_type))
    }
}
