//! What the kernel says about a loaded program beyond what aya shows.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use aya_obj::generated::{bpf_attr, bpf_cmd, bpf_prog_info};
use migtrace_common::counters::Probe;

/// The kernel's own account of a program's runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// Time in the program, ns, and runs: of the times when the kernel was asked to count, see [`aya::sys::enable_stats`].
    pub run_ns: u64,
    pub run_count: u64,
    /// Runs that did not happen because the program, or another, was running on that CPU (since Linux 5.12).
    pub missed: u64,
}

/// How often an attached program ran.
#[derive(Clone, Copy, Debug)]
pub struct Ran {
    pub program: &'static str,
    pub probe: Probe,
    pub runs: Runs,
}

/// Asks the kernel (BPF_OBJ_GET_INFO_BY_FD).
///
/// # Errors
/// What the kernel says.
pub fn runs(program: BorrowedFd<'_>) -> io::Result<Runs> {
    // SAFETY: plain integers, for which all zeroes is a valid value.
    let (mut info, mut attr): (bpf_prog_info, bpf_attr) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    attr.info.bpf_fd = program.as_raw_fd() as u32;
    attr.info.info_len = size_of::<bpf_prog_info>() as u32;
    attr.info.info = &raw mut info as u64;
    // SAFETY: both structures live until the call returns; the kernel writes at most info_len bytes.
    let ret = unsafe {
        libc::syscall(libc::SYS_bpf, bpf_cmd::BPF_OBJ_GET_INFO_BY_FD as u32, &raw mut attr, size_of::<bpf_attr>())
    };
    if ret != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Runs { run_ns: info.run_time_ns, run_count: info.run_cnt, missed: info.recursion_misses })
}
