//! What the programs do, by subject.

pub mod check;
pub mod fault;
pub mod folio;
pub mod mark;
pub mod migrate;
pub mod region;
pub mod request;
pub mod sched;

use aya_ebpf::{
    EbpfContext,
    helpers::bpf_probe_read_kernel,
    programs::{
        BtfTracePointContext, FEntryContext, FExitContext, ProbeContext, RetProbeContext, TracePointContext,
        tracing::StackIdContext,
    },
};

use crate::{config::config, kfunc};

/// The `T`, of at most 8 bytes, at `base + offset` of kernel memory; 0 where there is nothing.
#[inline(always)]
pub fn read_kernel<T: Copy + Default>(base: u64, offset: u32) -> T {
    let (addr, word_type) = (base + u64::from(offset), config!(word_type));
    if word_type != 0 { kfunc::peek(word_type, addr) } else { ask_kernel(addr).unwrap_or_default() }
}

/// As [`read_kernel`], and tells nothing from 0, where the kernel lets its helper say so.
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
    ask_kernel(addr)
}

/// By the helper, which every kernel has: `None` where there is nothing.
#[inline(always)]
pub fn ask_kernel<T>(addr: u64) -> Option<T> {
    // SAFETY: the helper checks the address itself and copies; nothing is dereferenced here.
    unsafe { bpf_probe_read_kernel(addr as *const T) }.ok()
}

/// A field of a classic trace event's own record. It can always be read: programs of events whose record lacks a field are
/// not attached (the collector checks it).
#[inline(always)]
pub fn field<T: Copy + Default>(ctx: &TracePointContext, offset: u32) -> T {
    read_kernel(ctx.as_ptr() as u64, offset)
}

/// Arguments of a traced function or tracepoint, however the program is attached.
pub trait Args: StackIdContext {
    /// Argument `n`. For programs that the kernel checks by types, a pointer is one: nothing but a known offset may be
    /// added to it.
    fn arg(&self, n: usize) -> u64;

    /// Argument `n`, a pointer, as a mere number, with which one may calculate ("math between ptr_ pointer and ... is not
    /// allowed" says the verifier of a typed one); what is read from the same memory by a helper is only a number to it.
    fn number(&self, n: usize) -> u64 {
        self.arg(n)
    }

    /// The field at `offset`, which this kernel has, of what an argument, or a field read so, points to. For programs that
    /// the kernel checks by types a plain load, which gives 0 where there is nothing: a tenth of the cost of a helper.
    fn load<T: Copy + Default>(&self, pointer: u64, offset: u32) -> T {
        read_kernel(pointer, offset)
    }
}

/// The end of a traced function of `args` arguments, however the program is attached.
pub trait Returned: StackIdContext {
    /// What it returned.
    fn ret(&self, args: usize) -> u64;
}

macro_rules! typed_args {
    ($($context:ty)*) => {$(
        impl Args for $context {
            #[inline(always)]
            fn arg(&self, n: usize) -> u64 {
                self.arg(n)
            }

            #[inline(always)]
            fn number(&self, n: usize) -> u64 {
                read_kernel(self.as_ptr() as u64, n as u32 * 8)
            }

            #[inline(always)]
            fn load<T: Copy + Default>(&self, pointer: u64, offset: u32) -> T {
                // SAFETY: the verifier knows the pointer's type and accepts only fields of it; the kernel turns a fault of
                // such a load into 0. Volatile, so that the compiler makes one load of it and no more.
                unsafe { core::ptr::read_volatile((pointer + u64::from(offset)) as *const T) }
            }
        }
    )*};
}

typed_args! { FEntryContext FExitContext BtfTracePointContext }

impl Args for ProbeContext {
    #[inline(always)]
    fn arg(&self, n: usize) -> u64 {
        self.arg(n).unwrap_or(0)
    }
}

impl Returned for FExitContext {
    #[inline(always)]
    fn ret(&self, args: usize) -> u64 {
        self.arg(args)
    }
}

impl Returned for RetProbeContext {
    #[inline(always)]
    fn ret(&self, _args: usize) -> u64 {
        self.ret()
    }
}
