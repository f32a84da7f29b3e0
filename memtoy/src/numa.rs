//! Placement syscalls without libnuma, because libnuma hides errors that scripts must see.

use std::{fs, time::Duration};

use migtrace_common::{
    node_mask::NodeMask,
    record::{MASK_WORDS, PR_MIGTRACE_PHASE},
};

use crate::{
    errno::CallError,
    mapping::Pages,
    policy::{Mode, Nodes},
};

/// Bits of a node mask, plus one, because the kernel subtracts one before it reads the mask.
const MAX_NODE: u64 = MASK_WORDS as u64 * 64 + 1;
const MPOL_MF_MOVE: u64 = 1 << 1;
const MPOL_F_NODE: u64 = 1 << 0;
const MPOL_F_ADDR: u64 = 1 << 1;
const MPOL_F_MEMS_ALLOWED: u64 = 1 << 2;

type Words = [u64; MASK_WORDS];

fn words_of(mask: &NodeMask) -> Words {
    let mut words = [0; MASK_WORDS];
    for &node in mask.nodes() {
        words[node as usize / 64] |= 1 << (node % 64);
    }
    words
}

/// Converts what a raw syscall returned, or the error that it left in errno.
fn check(call: &'static str, ret: libc::c_long) -> Result<u64, CallError> {
    u64::try_from(ret).map_err(|_| CallError::last(call))
}

/// Returns the nodes that this task may use: those of its cpuset that have memory.
pub(crate) fn allowed() -> Result<NodeMask, CallError> {
    let mut words: Words = [0; MASK_WORDS];
    let no_mode: *mut libc::c_int = std::ptr::null_mut();
    // SAFETY: the kernel writes at most MAX_NODE - 1 bits to `words`, which has as many; it uses no other pointer.
    let ret = unsafe {
        libc::syscall(libc::SYS_get_mempolicy, no_mode, words.as_mut_ptr(), MAX_NODE, 0_u64, MPOL_F_MEMS_ALLOWED)
    };
    check("get_mempolicy", ret)?;
    Ok(NodeMask::from_words(&words, MAX_NODE))
}

fn resolve(nodes: Option<&Nodes>) -> Result<Option<Words>, CallError> {
    Ok(match nodes {
        None => None,
        Some(nodes) => Some(words_of(&listed(nodes)?)),
    })
}

/// Returns the pointer and the number of bits for an optional mask.
fn arguments(words: Option<&Words>) -> (*const u64, u64) {
    words.map_or((std::ptr::null(), 0), |w| (w.as_ptr(), MAX_NODE))
}

/// Calls mbind(2) on `pages`.
pub(crate) fn mbind(pages: &Pages<'_>, mode: Mode, nodes: Option<&Nodes>) -> Result<(), CallError> {
    let words = resolve(nodes)?;
    let (mask, bits) = arguments(words.as_ref());
    // SAFETY: the kernel reads `bits` bits of `mask`, which has as many, or is null with 0 bits. Policies and
    // migrations do not change the contents of pages.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_mbind,
            pages.addr(),
            pages.bytes(),
            i64::from(mode.number()),
            mask,
            bits,
            u64::from(mode.flags),
        )
    };
    check("mbind", ret).map(drop)
}

/// Calls set_mempolicy(2).
pub(crate) fn set_mempolicy(mode: Mode, nodes: Option<&Nodes>) -> Result<(), CallError> {
    let words = resolve(nodes)?;
    let (mask, bits) = arguments(words.as_ref());
    // SAFETY: as in `mbind`.
    let ret = unsafe { libc::syscall(libc::SYS_set_mempolicy, i64::from(mode.number()), mask, bits) };
    check("set_mempolicy", ret).map(drop)
}

/// Returns the task's mode, including its flags, and its nodes, by get_mempolicy(2).
pub(crate) fn task_policy() -> Result<(i32, NodeMask), CallError> {
    let mut mode: libc::c_int = 0;
    let mut words: Words = [0; MASK_WORDS];
    let (mode_ptr, words_ptr): (*mut libc::c_int, *mut u64) = (&mut mode, words.as_mut_ptr());
    // SAFETY: the kernel writes one int, and at most MAX_NODE - 1 bits to `words`, which has as many.
    let ret = unsafe { libc::syscall(libc::SYS_get_mempolicy, mode_ptr, words_ptr, MAX_NODE, 0_u64, 0_u64) };
    check("get_mempolicy", ret)?;
    Ok((mode, NodeMask::from_words(&words, MAX_NODE)))
}

/// Returns the node of the first of `pages` by get_mempolicy(2), which touches the page.
pub(crate) fn node_of(pages: &Pages<'_>) -> Result<i32, CallError> {
    let mut node: libc::c_int = -1;
    let node_ptr: *mut libc::c_int = &mut node;
    let no_mask: *mut u64 = std::ptr::null_mut();
    // SAFETY: the kernel writes one int, and only looks up the address.
    let ret = unsafe {
        libc::syscall(libc::SYS_get_mempolicy, node_ptr, no_mask, 0_u64, pages.addr(), MPOL_F_NODE | MPOL_F_ADDR)
    };
    check("get_mempolicy", ret).map(|_| node)
}

/// Stores the node of every page, or its error as a negative number. Touches no page: uses move_pages(2) without nodes.
pub(crate) fn nodes_of(addresses: &[usize], status: &mut [i32]) -> Result<(), CallError> {
    assert_eq!(addresses.len(), status.len(), "one status for each page");
    let no_nodes: *const libc::c_int = std::ptr::null();
    // SAFETY: the kernel reads as many addresses, and writes as many statuses, as both slices have.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_move_pages,
            0_i64,
            addresses.len(),
            addresses.as_ptr(),
            no_nodes,
            status.as_mut_ptr(),
            0_i64,
        )
    };
    check("move_pages", ret).map(drop)
}

/// Calls move_pages(2) on this process's pages, each with its node. Does not change statuses that the kernel does not
/// set. Returns how many pages could not be migrated or were not tried.
pub(crate) fn move_pages(addresses: &[usize], nodes: &[i32], status: &mut [i32]) -> Result<u64, CallError> {
    assert!(addresses.len() == status.len() && addresses.len() == nodes.len(), "a node and a status for each page");
    // SAFETY: the kernel reads as many addresses and nodes, and writes as many statuses, as the slices have. Migrations
    // do not change the contents of pages.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_move_pages,
            0_i64,
            addresses.len(),
            addresses.as_ptr(),
            nodes.as_ptr(),
            status.as_mut_ptr(),
            MPOL_MF_MOVE,
        )
    };
    check("move_pages", ret)
}

/// Returns the nodes of `nodes`; for `*`, all that the task may use.
pub(crate) fn listed(nodes: &Nodes) -> Result<NodeMask, CallError> {
    match nodes {
        Nodes::These(mask) => Ok(mask.clone()),
        Nodes::All => allowed(),
    }
}

/// Calls migrate_pages(2) on this process. Returns the number of pages that were not migrated.
pub(crate) fn migrate_pages(from: Option<&Nodes>, to: &Nodes) -> Result<u64, CallError> {
    let from = resolve(Some(from.unwrap_or(&Nodes::All)))?;
    let to = resolve(Some(to))?;
    let ((from, bits), (to, _)) = (arguments(from.as_ref()), arguments(to.as_ref()));
    // SAFETY: the kernel reads `bits` bits of both masks, which have as many.
    let ret = unsafe { libc::syscall(libc::SYS_migrate_pages, 0_i64, bits, from, to) };
    check("migrate_pages", ret)
}

/// Announces a command as a phase to a recording.
pub(crate) fn announce(text: &str) {
    // SAFETY: the kernel has no such option. It returns EINVAL, which is expected, and reads nothing. A recording's BPF
    // program reads `text`.
    unsafe { libc::prctl(PR_MIGTRACE_PHASE, text.as_ptr(), text.len(), 0, 0) };
}

/// Waits for `ms` milliseconds.
pub(crate) fn sleep(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// Reads total and free memory of a node from sysfs, kB; `None` if sysfs does not show them.
pub(crate) fn memory_kb(node: u32) -> Option<(u64, u64)> {
    let text = fs::read_to_string(format!("/sys/devices/system/node/node{node}/meminfo")).ok()?;
    let field = |name: &str| {
        let line = text.lines().find(|l| l.contains(name))?;
        line.split_whitespace().rev().nth(1)?.parse::<u64>().ok()
    };
    Some((field("MemTotal:")?, field("MemFree:")?))
}
