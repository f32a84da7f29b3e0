//! Memory policies and flags of placement syscalls, by the numbers of linux/mempolicy.h, which are ABI.

use crate::event::{Policy, RequestName};

/// Flags that share the mode's argument.
const MODE_FLAGS: [(&str, u64); 3] =
    [("static_nodes", 1 << 15), ("relative_nodes", 1 << 14), ("numa_balancing", 1 << 13)];
/// mbind(2), and the first ones move_pages(2) too.
const MOVE_FLAGS: [(&str, u64); 4] = [("strict", 1 << 0), ("move", 1 << 1), ("move_all", 1 << 2), ("lazy", 1 << 3)];
/// get_mempolicy(2).
const QUERY_FLAGS: [(&str, u64); 3] = [("node", 1 << 0), ("addr", 1 << 1), ("mems_allowed", 1 << 2)];

/// The policy of a mode argument, without its flags; `None` for a value that is no policy of Linux.
#[must_use]
pub fn mode(argument: u64) -> Option<Policy> {
    let flags: u64 = MODE_FLAGS.iter().map(|(_, bit)| bit).sum();
    Some(match argument & !flags {
        0 => Policy::Default,
        1 => Policy::Preferred,
        2 => Policy::Bind,
        3 => Policy::Interleave,
        4 => Policy::Local,
        5 => Policy::PreferredMany,
        6 => Policy::WeightedInterleave,
        _ => return None,
    })
}

/// Flags of a syscall by name, joined by `|`; unnamed bits as a number.
#[must_use]
pub fn flags(name: RequestName, mode: u64, flags: u64) -> String {
    let mut words = Vec::new();
    if matches!(name, RequestName::Mbind | RequestName::SetMempolicy) {
        words.extend(MODE_FLAGS.iter().filter(|(_, bit)| mode & bit != 0).map(|(word, _)| (*word).to_owned()));
    }
    let known: &[(&str, u64)] = match name {
        RequestName::GetMempolicy => &QUERY_FLAGS,
        RequestName::Mbind | RequestName::MovePages => &MOVE_FLAGS,
        _ => &[],
    };
    words.extend(known.iter().filter(|(_, bit)| flags & bit != 0).map(|(word, _)| (*word).to_owned()));
    let rest = known.iter().fold(flags, |rest, (_, bit)| rest & !bit);
    if rest != 0 {
        words.push(format!("{rest:#x}"));
    }
    words.join("|")
}

/// Whether get_mempolicy(2) was called for an address.
#[must_use]
pub fn asks_for_addr(flags: u64) -> bool {
    flags & (1 << 1) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_print_by_the_name_that_the_call_gives_them() {
        assert_eq!(flags(RequestName::Mbind, 2 | 1 << 15, 0b1010), "static_nodes|move|lazy");
        assert_eq!(flags(RequestName::GetMempolicy, 0, 0b11), "node|addr");
        assert_eq!(flags(RequestName::Mbind, 2, 1 << 9), "0x200");
        assert_eq!(mode(2 | 1 << 15), Some(Policy::Bind));
        assert_eq!(mode(77), None);
    }
}
