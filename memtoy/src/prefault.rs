//! Avoids the program's own page faults while scripts run.

use std::fs;

/// Size limit for prefaulting a mapping of the program itself, bytes.
const LARGEST: usize = 8 << 20;

/// Makes every writable private page of the program present. Its stack, heap and data fault now, and not while a
/// command runs. Call it before a script maps memory. A kernel before 5.14 rejects this; the pages then fault later.
pub fn prefault() {
    let Ok(maps) = fs::read_to_string("/proc/self/maps") else { return };
    for (addr, bytes) in maps.lines().filter_map(writable).filter(|(_, bytes)| *bytes <= LARGEST) {
        // SAFETY: populating makes pages present, as a write does, but does not change their contents.
        unsafe { libc::madvise(addr as *mut libc::c_void, bytes, libc::MADV_POPULATE_WRITE) };
    }
}

/// Parses address and bytes from a line of /proc/self/maps, if it is a writable private mapping.
fn writable(line: &str) -> Option<(usize, usize)> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    rest.starts_with("rw-p").then_some((start, end.checked_sub(start)?))
}
