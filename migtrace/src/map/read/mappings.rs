//! The mappings of a process: /proc/PID/maps and numa_maps, and smaps if nothing else shows huge pages.

use std::{collections::HashMap, fs, io, ops::Range};

use crate::live::host::numa_maps;

/// A mapping, before its pages are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub(crate) addresses: Range<u64>,
    /// `rw-p`.
    pub(crate) permissions: String,
    /// Its file, or `[heap]`; empty for none.
    pub(crate) name: String,
}

/// Addresses from here on are the kernel's: [vsyscall].
const KERNEL: u64 = 1 << 63;

/// Reads the mappings of a process, in order.
pub(crate) fn read(pid: u32) -> io::Result<Vec<Mapping>> {
    Ok(parse(&String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/maps"))?)))
}

/// Not by the crate procfs: it fails for all mappings if one name is not UTF-8, and panics for a file `/SYSV` in the root.
fn parse(maps: &str) -> Vec<Mapping> {
    let of_line = |line: &str| {
        let (addresses, permissions, name) = header(line)?;
        Some(Mapping { addresses, permissions: permissions.to_owned(), name: name.to_owned() })
    };
    maps.lines().filter_map(of_line).collect()
}

/// Policies and kinds by the start of their mapping, from /proc/PID/numa_maps. The kernel walks the page tables for it.
pub(crate) fn policies(pid: u32) -> HashMap<u64, numa_maps::Mapping> {
    // A kernel without NUMA has no such file.
    let text = fs::read(format!("/proc/{pid}/numa_maps")).unwrap_or_default();
    by_start(&String::from_utf8_lossy(&text))
}

fn by_start(numa_maps: &str) -> HashMap<u64, numa_maps::Mapping> {
    numa_maps::mappings(numa_maps).into_iter().map(|mapping| (mapping.start, mapping)).collect()
}

/// The kind of a mapping with this name, and of which numa_maps shows this.
pub(crate) fn kind(name: &str, numa: Option<&numa_maps::Mapping>) -> &'static str {
    match name.strip_prefix('[') {
        Some("heap]") => "heap",
        Some("stack]") => "stack",
        Some(special) if !special.starts_with("anon") => "other",
        _ => match numa {
            Some(numa) => numa.kind,
            None if name.is_empty() || name.starts_with('[') => "anon",
            None => "file",
        },
    }
}

/// `7f12a4000000-7f12a4008000 rw-p 00000000 00:00 0    [heap]`.
fn header(line: &str) -> Option<(Range<u64>, &str, &str)> {
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let hex = |text| u64::from_str_radix(text, 16).ok();
    let addresses = hex(start)?..hex(end)?;
    let permissions = words.next()?;
    let name = words.nth(3).unwrap_or_default().trim_start();
    (addresses.start < KERNEL).then_some((addresses, permissions, name))
}

/// Lines of smaps that count what huge pages map.
const HUGE: [&str; 5] = ["AnonHugePages:", "ShmemPmdMapped:", "FilePmdMapped:", "Shared_Hugetlb:", "Private_Hugetlb:"];

/// Base pages mapped by huge pages, by the start of their mapping, from /proc/PID/smaps.
pub(crate) fn huge_pages(pid: u32) -> io::Result<HashMap<u64, u64>> {
    let smaps = fs::read(format!("/proc/{pid}/smaps"))?;
    Ok(parse_huge(&String::from_utf8_lossy(&smaps)))
}

fn parse_huge(smaps: &str) -> HashMap<u64, u64> {
    let (mut found, mut start) = (HashMap::new(), 0);
    for line in smaps.lines() {
        if let Some((addresses, ..)) = header(line) {
            start = addresses.start;
        } else if let Some(rest) = HUGE.iter().find_map(|name| line.strip_prefix(name)) {
            let kib = rest.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0);
            *found.entry(start).or_default() += kib / 4;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "55d0c0000000-55d0c0002000 r-xp 00000000 fe:00 1234                       /usr/bin/my head\n\
        55d0c1000000-55d0c1003000 rw-p 00000000 00:00 0                          [heap]\n\
        7f12a4000000-7f12a4008000 rw-p 00000000 00:00 0 \n\
        7f12a5000000-7f12a5008000 rw-p 00000000 00:00 0                          [anon:arena]\n\
        7f12a6000000-7f12a6008000 rw-s 00000000 00:01 7                          /SYSV\n\
        7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0                          [vdso]\n\
        ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";

    #[test]
    fn mappings_have_kind_name_and_policy() {
        let numa = "55d0c1000000 bind:0 heap anon=1 N0=1\n7f12a4000000 prefer (many):0-1 anon=8 N1=8\n";
        let (mappings, numa) = (parse(MAPS), by_start(numa));
        let described = |mapping: &Mapping| {
            let numa = numa.get(&mapping.addresses.start);
            (kind(&mapping.name, numa), mapping.name.clone(), numa.map(|numa| numa.policy.clone()))
        };
        let is: Vec<_> = mappings.iter().map(described).collect();
        let is: Vec<_> = is.iter().map(|(kind, name, policy)| (*kind, &**name, policy.as_deref())).collect();
        assert_eq!(
            is,
            [
                ("file", "/usr/bin/my head", None),
                ("heap", "[heap]", Some("bind:0")),
                ("anon", "", Some("prefer (many):0-1")),
                ("anon", "[anon:arena]", None),
                ("file", "/SYSV", None),
                ("other", "[vdso]", None),
            ]
        );
        assert_eq!(
            (mappings[0].addresses.clone(), &*mappings[0].permissions),
            (0x55d0_c000_0000..0x55d0_c000_2000, "r-xp")
        );
    }

    #[test]
    fn huge_pages_are_counted_by_mapping() {
        let smaps = "7f0000000000-7f0000800000 rw-p 00000000 00:00 0 \nRss:                8192 kB\n\
                     AnonHugePages:      4096 kB\nShmemPmdMapped:        0 kB\nVmFlags: rd wr\n\
                     7f1000000000-7f1000400000 rw-s 00000000 00:0f 3   /anon_hugepage (deleted)\nPrivate_Hugetlb:    2048 kB\n";
        assert_eq!(parse_huge(smaps), HashMap::from([(0x7f00_0000_0000, 1024), (0x7f10_0000_0000, 512)]));
    }
}
