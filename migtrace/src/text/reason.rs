//! The kernel's words for why a page was not marked, checked or migrated, explained.

/// The kernel's word for why a page was not moved, explained; words without an explanation are left as they are.
#[must_use]
pub fn reason(word: &str) -> String {
    let meaning = match word {
        "remote" => "touched on behalf of another process",
        "mapped" => "still mapped by somebody",
        "writeback" => "being written back",
        "not_uptodate" => "its contents were not read yet",
        "ksm" => "merged with equal pages",
        "hwpoison" => "its memory is broken",
        "unevictable" => "locked in memory",
        "not_migratable" => "its mapping cannot be migrated",
        "dma_pinned" => "pinned for device access",
        "will_cow" => "about to be copied, and the copy is placed by policy",
        "placed" => "already where policy wants it",
        "placed_or_deferred" => {
            "where policy wants it, or it moves only when touched from here again: the kernel shows no difference"
        }
        "not_opted_in" => "nobody asked for lazy migration of it",
        "nomem" => "no free page on the target node",
        "not_on_lru" => "not on a list of the page reclaim",
        "refs" => "somebody else held a reference",
        "move_failed" => "the kernel's move failed",
        "no_swap" => "no swap space for it, or no more for its cgroup",
        "not_anon" => "it belongs to a file or to shared memory",
        "lazyfree" => "it may be discarded (MADV_FREE)",
        "gone" => "unmapped for good in the meantime",
        _ => return word.to_string(),
    };
    format!("{word}: {meaning}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_reasons_stay_as_the_kernel_gave_them() {
        assert_eq!(reason("reason#17"), "reason#17");
        assert_eq!(reason("refs"), "refs: somebody else held a reference");
    }
}
