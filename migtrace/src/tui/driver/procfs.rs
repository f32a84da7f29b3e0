//! What the driver reads of /proc: where a process's pages lie, and this program's own size.

use std::fs;

use super::numa_maps::NumaMaps;
use crate::clock;

/// Where the pages of a process lie now. Takes a while: the kernel walks page tables for it.
pub(crate) fn numa_maps(pid: u32) -> NumaMaps {
    let at_ns = clock::boot_ns();
    let ends = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    match fs::read_to_string(format!("/proc/{pid}/numa_maps")) {
        Ok(text) => NumaMaps::parse(pid, at_ns, &text, &ends),
        Err(error) => NumaMaps::failed(pid, at_ns, error.to_string()),
    }
}

/// Resident size of this program.
pub(crate) fn rss_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    // SAFETY: asks for a constant of the system.
    let page_bytes = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
    pages.checked_mul(page_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_there_and_others_may_not_be() {
        assert!(rss_bytes().is_some_and(|bytes| bytes > 0));
        let maps = numa_maps(u32::MAX);
        assert!(maps.error.is_some() && maps.mappings.is_empty());
    }
}
