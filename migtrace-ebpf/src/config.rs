//! The collector's settings, constant from load on, so that the verifier sees numbers instead of memory.

use core::mem::MaybeUninit;

use migtrace_common::config::Config;

/// Overwritten by the collector before the programs are loaded.
// SAFETY of every read: the collector always sets it, and all-zero, its content otherwise, is a valid Config.
#[unsafe(no_mangle)]
pub static CONFIG: MaybeUninit<Config> = MaybeUninit::zeroed();

/// One setting: `config!(folio_flags)`, `config!(mof_check.pfn)`.
macro_rules! config {
    ($($field:tt)+) => {
        // SAFETY: in bounds of a static, aligned, initialized (see CONFIG). Volatile, for its value is set after
        // compilation.
        unsafe { core::ptr::read_volatile(&raw const (*$crate::config::CONFIG.as_ptr()).$($field)+) }
    };
}

pub(crate) use config;
