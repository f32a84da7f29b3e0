//! Failed syscalls, and the names of their errors.

use std::io;

pub(crate) use migtrace_common::errno::{describe, name};

/// A failed syscall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallError {
    pub(crate) call: &'static str,
    pub(crate) errno: i32,
}

impl CallError {
    /// Reads the error that `call`, the thread's latest syscall, left in errno.
    pub(crate) fn last(call: &'static str) -> Self {
        Self::of(call, &io::Error::last_os_error())
    }

    /// Converts a standard library error of `call`.
    pub(crate) fn of(call: &'static str, error: &io::Error) -> Self {
        Self { call, errno: error.raw_os_error().unwrap_or(0) }
    }
}
