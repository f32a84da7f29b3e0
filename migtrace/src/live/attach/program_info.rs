//! Information about loaded programs that aya does not provide.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use aya_obj::generated::{bpf_attr, bpf_cmd, bpf_prog_info};
use migtrace_common::counters::Probe;

use crate::recording::ProgramCost;

/// The kernel's statistics of a program's runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// Time in the program (ns) and runs, while statistics were enabled; see [`aya::sys::enable_stats`].
    pub run_ns: u64,
    pub run_count: u64,
    /// Runs missed because the program, or another one, was running on that CPU (since Linux 5.12).
    pub missed: u64,
}

/// How often an attached program ran.
#[derive(Clone, Copy, Debug)]
pub struct Ran {
    pub program: &'static str,
    pub probe: Probe,
    pub runs: Runs,
}

impl Ran {
    /// Overhead of the program, as far as the kernel measured it.
    #[must_use]
    pub fn cost(&self) -> ProgramCost {
        // A kernel without statistics reports no runs, so 0 runs means unknown.
        let measured = |count| (self.runs.run_count > 0).then_some(count);
        ProgramCost {
            name: self.program.to_owned(),
            run_ns: measured(self.runs.run_ns),
            run_count: measured(self.runs.run_count),
            missed: Some(self.runs.missed),
        }
    }
}

/// Queries the kernel (BPF_OBJ_GET_INFO_BY_FD).
///
/// # Errors
/// The error of the kernel.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_was_not_measured_has_unknown_cost() {
        let ran = Ran { program: "p", probe: Probe::Fault, runs: Runs { run_ns: 0, run_count: 0, missed: 0 } };
        assert_eq!(ran.cost(), ProgramCost { name: "p".into(), run_ns: None, run_count: None, missed: Some(0) });
    }
}
