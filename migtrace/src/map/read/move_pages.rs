//! The node of pages by move_pages(2) without nodes, which only looks them up: for frames that the kernel hides, and for
//! those in ranges of several nodes.

use std::{io, ptr};

use crate::{map::place::Place, units::PAGE_BYTES};

/// Pages in one call.
const PAGES: u64 = 4096;

/// Appends the place of each page from `addr` on. `None`: not present any more. With a `step` of more than one page, only
/// each first one is looked up: the others belong to the same huge page.
pub(crate) fn places(pid: u32, addr: u64, pages: u64, step: u64, to: &mut Vec<Option<Place>>) -> io::Result<()> {
    let mut status = vec![0_i32; PAGES as usize];
    let firsts: Vec<u64> = first_pages(addr, pages, step).collect();
    for chunk in firsts.chunks(PAGES as usize) {
        let addresses: Vec<u64> = chunk.iter().map(|page| addr + page * PAGE_BYTES).collect();
        let status = &mut status[..chunk.len()];
        look_up(pid, &addresses, status)?;
        for (first, status) in chunk.iter().zip(status.iter()) {
            let next = next_first(addr, *first, step).min(pages);
            to.extend((*first..next).map(|_| place(*status)));
        }
    }
    Ok(())
}

/// The first page of each step, by number from `addr` on. Steps are aligned.
fn first_pages(addr: u64, pages: u64, step: u64) -> impl Iterator<Item = u64> {
    let next = move |page: &u64| Some(next_first(addr, *page, step)).filter(|next| *next < pages);
    std::iter::successors((pages > 0).then_some(0), next)
}

fn next_first(addr: u64, page: u64, step: u64) -> u64 {
    let number = addr / PAGE_BYTES + page;
    (number + 1).next_multiple_of(step) - addr / PAGE_BYTES
}

fn place(status: i32) -> Option<Place> {
    match -status {
        ..=0 => Some(Place::Node(status)),
        libc::ENOENT => None,
        // The kernel's shared page of zeros. An address without a page table has this status too (seen on 6.1), but only
        // pages that are present are looked up.
        libc::EFAULT => Some(Place::Zero),
        _ => Some(Place::UnknownNode),
    }
}

fn look_up(pid: u32, addresses: &[u64], status: &mut [i32]) -> io::Result<()> {
    // SAFETY: the kernel reads as many addresses, and writes as many statuses, as both slices have. The addresses are of
    // another process, or not followed.
    let done = unsafe {
        libc::syscall(
            libc::SYS_move_pages,
            pid as libc::pid_t,
            addresses.len(),
            addresses.as_ptr(),
            ptr::null::<libc::c_int>(),
            status.as_mut_ptr(),
            0_i32,
        )
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_page_of_each_huge_page_is_looked_up() {
        let first: Vec<u64> = first_pages(0x20_0000 - 2 * PAGE_BYTES, 1030, 512).collect();
        assert_eq!(first, [0, 2, 514, 1026]);
        assert_eq!(first_pages(0x1000, 3, 1).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(first_pages(0x1000, 0, 1).count(), 0);
    }

    #[test]
    fn own_pages_have_a_place_and_absent_ones_have_none() {
        let memory = vec![1_u8; 4 * PAGE_BYTES as usize];
        let addr = (memory.as_ptr() as u64).next_multiple_of(PAGE_BYTES);
        let mut found = Vec::new();
        match places(std::process::id(), addr, 3, 1, &mut found) {
            // A container's filter of system calls can forbid it.
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EPERM)),
            Ok(()) => {
                assert!(found.len() == 3 && found.iter().all(|p| matches!(p, Some(Place::Node(_)))), "{found:?}");
            }
        }
        assert_eq!(
            [place(-libc::ENOENT), place(-libc::EFAULT), place(3)],
            [None, Some(Place::Zero), Some(Place::Node(3))]
        );
    }
}
