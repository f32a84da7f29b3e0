//! Reads on which nodes the pages of a process are (/proc/PID/numa_maps), and where its mappings end: only /proc/PID/maps
//! shows that. The kernel walks page tables for it, which takes a while and touches no page.

use std::{collections::HashMap, fs};

use crate::{clock, model::live::nodes::Nodes};

/// Most mappings of a process that are kept.
const MAPPINGS: usize = 1 << 14;

/// Modes of a policy with a blank in their name. All others are one word.
const MODES_OF_TWO_WORDS: [&str; 2] = ["prefer (many)", "weighted interleave"];

/// One reading, or why it failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NumaMaps {
    pub pid: u32,
    /// Time of the reading, CLOCK_BOOTTIME, ns.
    pub at_ns: u64,
    pub mappings: Vec<Mapping>,
    /// Mappings beyond those that are kept.
    pub left_out: usize,
    pub error: Option<String>,
}

/// One mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    pub start: u64,
    /// `None` if it was mapped between the readings of the two files.
    pub end: Option<u64>,
    /// As the kernel writes it: `default`, `bind:0-1`, `prefer (many):1`.
    pub policy: String,
    pub kind: &'static str,
    /// The file's path; empty for none.
    pub name: String,
    /// Pages of `page_bytes` by node.
    pub pages: Nodes,
    pub page_bytes: u64,
}

/// Reads on which nodes the pages of a process are now.
#[must_use]
pub fn read(pid: u32) -> NumaMaps {
    let at_ns = clock::boot_ns();
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    match fs::read_to_string(format!("/proc/{pid}/numa_maps")) {
        Ok(text) => parse(pid, at_ns, &text, &maps),
        Err(error) => NumaMaps { pid, at_ns, error: Some(error.to_string()), ..NumaMaps::default() },
    }
}

/// Parses the text of both files.
fn parse(pid: u32, at_ns: u64, numa_maps: &str, maps: &str) -> NumaMaps {
    let ends: HashMap<u64, u64> = maps.lines().filter_map(range).collect();
    let mut mappings = mappings(numa_maps);
    for mapping in &mut mappings {
        mapping.end = ends.get(&mapping.start).copied();
    }
    let left_out = mappings.len().saturating_sub(MAPPINGS);
    mappings.truncate(MAPPINGS);
    // The file of a zombie is empty.
    let error = mappings.is_empty().then(|| "it has no memory any more".to_owned());
    NumaMaps { pid, at_ns, mappings, left_out, error }
}

/// The mappings of a text of /proc/PID/numa_maps, without their ends, which are not in it.
#[must_use]
pub fn mappings(text: &str) -> Vec<Mapping> {
    text.lines().filter_map(mapping).collect()
}

/// `7f12a4000000 bind:2 anon=8 dirty=8 N1=3 N2=5 kernelpagesize_kB=4`.
fn mapping(line: &str) -> Option<Mapping> {
    let (start, rest) = line.split_once(' ')?;
    let start = u64::from_str_radix(start, 16).ok()?;
    // Nodes follow the mode without a blank.
    let mode = MODES_OF_TWO_WORDS.into_iter().find(|mode| rest.starts_with(mode)).map_or(0, str::len);
    let end = rest[mode..].find(' ').map_or(rest.len(), |blank| mode + blank);
    let policy = rest[..end].to_owned();
    let mut mapping = Mapping { start, policy, kind: "anon", page_bytes: 4096, ..Mapping::default() };
    for word in rest[end..].split_ascii_whitespace() {
        match word.split_once('=') {
            None if word == "heap" => mapping.kind = "heap",
            None if word == "stack" => mapping.kind = "stack",
            None if word == "huge" => mapping.kind = "hugetlb",
            Some(("file", path)) => {
                mapping.name = unescape(path);
                if mapping.kind == "anon" {
                    // Shared memory without a file has a file of the kernel.
                    let is_memory = ["/dev/zero", "/SYSV", "/memfd:"].iter().any(|own| mapping.name.starts_with(own));
                    mapping.kind = if is_memory { "shmem" } else { "file" };
                }
            }
            Some(("kernelpagesize_kB", kib)) => mapping.page_bytes = kib.parse::<u64>().ok()?.checked_mul(1024)?,
            Some((node, pages)) => {
                let nid = node.strip_prefix('N').and_then(|n| n.parse().ok());
                if let (Some(nid), Ok(pages)) = (nid, pages.parse()) {
                    mapping.pages.add(nid, pages);
                }
            }
            None => {}
        }
    }
    Some(mapping)
}

/// `7f12a4000000-7f12a4008000 rw-p ...`.
fn range(line: &str) -> Option<(u64, u64)> {
    let (start, rest) = line.split_once('-')?;
    let end = rest.split(' ').next()?;
    Some((u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?))
}

/// Undoes the kernel's escapes of a path: it writes blanks, tabs, newlines and backslashes as `\040`.
fn unescape(path: &str) -> String {
    path.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_mapping() {
        let text = "55a3b1ccd000 default file=/usr/bin/my\\040head mapped=2 N0=2 kernelpagesize_kB=4\n\
                    7f12a4000000 bind:2 anon=8 dirty=8 N1=3 N2=5 kernelpagesize_kB=4\n\
                    7ffd00000000 prefer=relative:1 stack anon=3 N0=3 kernelpagesize_kB=4\n\
                    7f0000000000 default huge anon=1 N3=1 kernelpagesize_kB=2048\n\
                    7f1000000000 default file=/dev/zero\\040(deleted) mapped=2 N0=2 kernelpagesize_kB=4\n\
                    7f2000000000 prefer (many)=static:0-1 anon=1 N1=1 kernelpagesize_kB=4\n\
                    7f3000000000 weighted interleave:0-3 file=/memfd:x\\040(deleted)\n\
                    nonsense\n";
        let maps = parse(7, 9, text, "7f12a4000000-7f12a4008000 rw-p 00000000 00:00 0\nnonsense\n");
        assert_eq!([0, 1].map(|n| maps.mappings[n].end), [None, Some(0x7f12_a400_8000)]);
        let is: Vec<_> = maps.mappings.iter().map(|m| (m.start, m.kind, &*m.policy, &*m.name)).collect();
        assert_eq!(
            is,
            [
                (0x55a3_b1cc_d000, "file", "default", "/usr/bin/my head"),
                (0x7f12_a400_0000, "anon", "bind:2", ""),
                (0x7ffd_0000_0000, "stack", "prefer=relative:1", ""),
                (0x7f00_0000_0000, "hugetlb", "default", ""),
                (0x7f10_0000_0000, "shmem", "default", "/dev/zero (deleted)"),
                (0x7f20_0000_0000, "anon", "prefer (many)=static:0-1", ""),
                (0x7f30_0000_0000, "shmem", "weighted interleave:0-3", "/memfd:x (deleted)"),
            ]
        );
        assert_eq!(maps.mappings[1].pages.iter().collect::<Vec<_>>(), [(1, 3), (2, 5)]);
        assert_eq!(maps.mappings[3].page_bytes, 2 << 20);
    }

    #[test]
    fn a_process_that_does_not_exist_has_an_error() {
        let maps = read(u32::MAX);
        assert!(maps.error.is_some() && maps.mappings.is_empty());
    }
}
