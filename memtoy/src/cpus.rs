//! The CPUs that the task runs on.

use std::fmt;

use migtrace_common::node_mask::NodeMask;

use crate::errno::CallError;

/// CPUs that a command names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cpus {
    /// `*`: all possible CPUs.
    All,
    /// A set of numbers, in the same notation as nodes.
    These(NodeMask),
}

impl Cpus {
    /// Parses `0,2-3` or `*`.
    ///
    /// # Errors
    /// A message about invalid CPUs.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::All);
        }
        let valid = |part: &str| part.parse::<u32>().is_ok_and(|cpu| (cpu as usize) < MAX_CPUS);
        let list = text.split([',', '-']).all(valid).then(|| text.parse::<NodeMask>().ok()).flatten();
        match list.filter(|l| !l.nodes().is_empty()) {
            Some(list) => Ok(Self::These(list)),
            None => Err(format!("invalid CPUs {text:?}: use numbers below {MAX_CPUS} like 0,2-3, or * for all")),
        }
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::These(list) => list.fmt(f),
        }
    }
}

const WORDS: usize = 16;
const MAX_CPUS: usize = WORDS * 64;

/// Restricts the task to these CPUs. On return it runs on one of them.
pub(crate) fn run_on(cpus: &Cpus) -> Result<(), CallError> {
    let mut mask = [0_u64; WORDS];
    match cpus {
        Cpus::All => mask = [u64::MAX; WORDS],
        Cpus::These(list) => list.nodes().iter().for_each(|&cpu| mask[cpu as usize / 64] |= 1 << (cpu % 64)),
    }
    // SAFETY: the kernel reads as many bytes as `mask` has.
    let ret = unsafe { libc::syscall(libc::SYS_sched_setaffinity, 0, size_of_val(&mask), mask.as_ptr()) };
    check("sched_setaffinity", ret).map(drop)
}

/// Returns the CPUs that the task is allowed to run on.
pub(crate) fn allowed() -> Result<NodeMask, CallError> {
    let mut mask = [0_u64; WORDS];
    // SAFETY: the kernel writes at most as many bytes as `mask` has.
    let ret = unsafe { libc::syscall(libc::SYS_sched_getaffinity, 0, size_of_val(&mask), mask.as_mut_ptr()) };
    check("sched_getaffinity", ret)?;
    Ok(NodeMask::from_words(&mask, MAX_CPUS as u64))
}

/// Returns the CPU that the task runs on, and its node.
pub(crate) fn current() -> Result<(u32, u32), CallError> {
    let (mut cpu, mut node) = (0_u32, 0_u32);
    let no_cache: *mut u8 = std::ptr::null_mut();
    // SAFETY: the kernel writes the two numbers.
    let ret = unsafe { libc::syscall(libc::SYS_getcpu, &raw mut cpu, &raw mut node, no_cache) };
    check("getcpu", ret).map(|()| (cpu, node))
}

fn check(call: &'static str, ret: libc::c_long) -> Result<(), CallError> {
    if ret >= 0 { Ok(()) } else { Err(CallError::last(call)) }
}
