//! Arguments and return values, independent of how a program is attached.

use aya_ebpf::{
    EbpfContext,
    helpers::generated::bpf_get_func_ret,
    programs::{
        BtfTracePointContext, FEntryContext, FExitContext, ProbeContext, RetProbeContext, TracePointContext,
        tracing::StackIdContext,
    },
};

use crate::{config::config, kernel_memory::read_kernel};

/// Arguments of a traced function or tracepoint.
pub trait Args: StackIdContext {
    /// Argument `n`. The verifier knows the types of some programs' arguments: nothing but a known offset may be added
    /// to a pointer among them.
    fn arg(&self, n: usize) -> u64;

    /// Argument `n`, a pointer, as a plain number that allows arithmetic. With a typed pointer the verifier does not
    /// ("math between ptr_ pointer and ... is not allowed"). The same bytes read through memory are a number to it.
    fn number(&self, n: usize) -> u64 {
        self.arg(n)
    }

    /// The field at `offset` of the struct that `pointer`, an argument or a field read by this function, points to.
    /// This kernel must have the field. If the verifier knows the types, this is a plain load, which gives 0 for a bad
    /// pointer and costs a tenth of a helper.
    fn load<T: Copy + Default>(&self, pointer: u64, offset: u32) -> T {
        read_kernel(pointer, offset)
    }
}

/// The end of a traced function.
pub trait Returned: StackIdContext {
    /// What the function, which has `args` arguments, returned.
    fn ret(&self, args: usize) -> u64;

    /// The same of a function whose number of arguments changed. A trampoline shows it since Linux 5.17.
    fn ret_of_any(&self) -> u64;
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
                // SAFETY: the verifier knows the pointer's type and accepts only fields of it; the kernel turns a fault
                // of such a load into 0. Volatile, so that the compiler makes exactly one load of it.
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

    #[inline(always)]
    fn ret_of_any(&self) -> u64 {
        let mut value = 0;
        // SAFETY: writes a number, to a variable that lives until the helper returns.
        unsafe { bpf_get_func_ret(self.as_ptr(), &raw mut value) };
        value
    }
}

impl Returned for RetProbeContext {
    #[inline(always)]
    fn ret(&self, _args: usize) -> u64 {
        self.ret()
    }

    #[inline(always)]
    fn ret_of_any(&self) -> u64 {
        self.ret()
    }
}

/// A field of a classic trace event's own record. The read cannot fail: the collector attaches no program to an event
/// whose record lacks one of the fields.
#[inline(always)]
pub fn field<T: Copy + Default>(ctx: &TracePointContext, offset: u32) -> T {
    read_kernel(ctx.as_ptr() as u64, offset)
}

/// Arguments of the syscall function `__x64_sys_*(regs)`: they are in the caller's registers.
#[inline(always)]
pub fn of_syscall(ctx: &impl Args) -> [u64; 6] {
    let regs = ctx.arg(0);
    let arg = |n: usize| read_kernel(regs, config!(regs_args)[n]);
    [arg(0), arg(1), arg(2), arg(3), arg(4), arg(5)]
}

/// Arguments in the trace event syscalls:sys_enter_*.
#[inline(always)]
pub fn of_syscall_event(ctx: &TracePointContext) -> [u64; 6] {
    let arg = |n: u32| field(ctx, config!(syscall_enter.args) + n * size_of::<u64>() as u32);
    [arg(0), arg(1), arg(2), arg(3), arg(4), arg(5)]
}

/// What the syscall function `__x64_sys_*(regs)` returned.
#[inline(always)]
pub fn syscall_ret(ctx: &impl Returned) -> i64 {
    ctx.ret(1) as i64
}

/// The return value in the trace event syscalls:sys_exit_*.
#[inline(always)]
pub fn syscall_event_ret(ctx: &TracePointContext) -> i64 {
    field(ctx, config!(syscall_exit.ret))
}
