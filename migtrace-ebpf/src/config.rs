//! The collector's settings. They are constant after load, so the verifier sees numbers instead of memory.

use core::mem::MaybeUninit;

use migtrace_common::config::{Config, Filter};

/// Overwritten by the collector before the programs are loaded.
// SAFETY of every read: the collector always sets it; all-zero, its content before that, is a valid Config.
#[unsafe(no_mangle)]
pub static CONFIG: MaybeUninit<Config> = MaybeUninit::zeroed();

/// One setting: `config!(folio_flags)`, `config!(mof_check.pfn)`.
macro_rules! config {
    ($($field:tt)+) => {
        // SAFETY: in bounds of a static, aligned, initialized (see CONFIG). Volatile, because its value is set after
        // compilation.
        unsafe { core::ptr::read_volatile(&raw const (*$crate::config::CONFIG.as_ptr()).$($field)+) }
    };
}

/// Overwritten by the collector before the programs are loaded, if there is a filter.
// SAFETY of every read: all-zero, its content without a filter, is a valid Filter, which passes every event.
#[unsafe(no_mangle)]
pub static FILTER: MaybeUninit<Filter> = MaybeUninit::zeroed();

/// One setting of the filter, like `config!`: `wanted!(terms)`, `wanted!(cpus[word])`.
macro_rules! wanted {
    ($($field:tt)+) => {
        // SAFETY: as in config!; an index is checked by the compiler.
        unsafe { core::ptr::read_volatile(&raw const (*$crate::config::FILTER.as_ptr()).$($field)+) }
    };
}

pub(crate) use config;
pub(crate) use wanted;
