//! Where the pages of a process lie, as /proc/PID/numa_maps says, and where its mappings end, which only /proc/PID/maps
//! does. Reading them walks page tables and touches no page.

use std::collections::HashMap;

use crate::model::live::nodes::Nodes;

/// Mappings of a process that are kept.
const MAPPINGS: usize = 1 << 14;

/// One reading, or why there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NumaMaps {
    pub pid: u32,
    /// When it was read, CLOCK_BOOTTIME, ns.
    pub at_ns: u64,
    pub mappings: Vec<Mapping>,
    /// Mappings beyond those that are kept.
    pub left_out: usize,
    pub error: Option<String>,
}

/// One mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub start: u64,
    /// `None` where it was mapped between the two readings.
    pub end: Option<u64>,
    /// As the kernel writes it: `default`, `bind:0-1`, `prefer:1`.
    pub policy: String,
    pub kind: &'static str,
    /// The file's path; empty for none.
    pub name: String,
    /// Pages of `page_bytes` by node.
    pub pages: Nodes,
    pub page_bytes: u64,
}

impl NumaMaps {
    /// Of the file's text.
    #[must_use]
    pub(crate) fn parse(pid: u32, at_ns: u64, text: &str, maps: &str) -> Self {
        let ends: HashMap<u64, u64> = maps.lines().filter_map(range).collect();
        let mut mappings: Vec<Mapping> = text.lines().filter_map(mapping).collect();
        for mapping in &mut mappings {
            mapping.end = ends.get(&mapping.start).copied();
        }
        let left_out = mappings.len().saturating_sub(MAPPINGS);
        mappings.truncate(MAPPINGS);
        // As of a process that has ended and that nobody has waited for.
        let error = mappings.is_empty().then(|| "it has no memory any more".to_owned());
        Self { pid, at_ns, mappings, left_out, error }
    }

    /// It could not be read.
    #[must_use]
    pub(crate) fn failed(pid: u32, at_ns: u64, why: String) -> Self {
        Self { pid, at_ns, error: Some(why), ..Self::default() }
    }
}

/// `7f12a4000000 bind:2 anon=8 dirty=8 N1=3 N2=5 kernelpagesize_kB=4`.
fn mapping(line: &str) -> Option<Mapping> {
    let mut words = line.split(' ');
    let start = u64::from_str_radix(words.next()?, 16).ok()?;
    let policy = words.next()?.to_owned();
    let mut mapping = Mapping { start, policy, kind: "anon", page_bytes: 4096, ..Mapping::default() };
    for word in words {
        match word.split_once('=') {
            None if word == "heap" => mapping.kind = "heap",
            None if word == "stack" => mapping.kind = "stack",
            None if word == "huge" => mapping.kind = "hugetlb",
            Some(("file", path)) => {
                mapping.name = unescape(path);
                if mapping.kind == "anon" {
                    // Memory that is shared without a file has one of the kernel's own.
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

/// The kernel writes blanks, tabs, newlines and backslashes of a path as `\040`.
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
                    nonsense\n";
        let maps = NumaMaps::parse(7, 9, text, "7f12a4000000-7f12a4008000 rw-p 00000000 00:00 0\nnonsense\n");
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
            ]
        );
        assert_eq!(maps.mappings[1].pages.iter().collect::<Vec<_>>(), [(1, 3), (2, 5)]);
        assert_eq!(maps.mappings[3].page_bytes, 2 << 20);
    }
}
