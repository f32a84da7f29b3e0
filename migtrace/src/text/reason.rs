//! The kernel's words for why a page was not marked, checked or migrated, explained.

/// The kernel's word for why a page was not migrated, with an explanation; a word without one is returned unchanged.
#[must_use]
pub fn reason(word: &str) -> String {
    let meaning = match word {
        "remote" => "touched on behalf of another process",
        "mapped" => "still mapped",
        "writeback" => "being written back",
        "not_uptodate" => "its contents are not read yet",
        "ksm" => "merged with identical pages (KSM)",
        "hwpoison" => "its memory has a hardware error",
        "unevictable" => "locked in memory",
        "not_migratable" => "its mapping does not allow migration",
        "dma_pinned" => "pinned for DMA",
        "will_cow" => "about to be copied on write; the policy places the copy",
        "placed" => "already on a node that the policy wants",
        "placed_or_deferred" => {
            "already placed, or to be migrated after another touch from this node: the kernel does not show which"
        }
        "not_opted_in" => "no lazy migration was requested for it",
        "nomem" => "no free page on the target node",
        "not_on_lru" => "not on an LRU list",
        "refs" => "another reference to the page is held",
        "move_failed" => "the kernel could not copy or map it",
        "no_swap" => "no swap space, or its cgroup's swap limit is reached",
        "not_anon" => "it belongs to a file or to shared memory",
        "lazyfree" => "it may be discarded (MADV_FREE)",
        "gone" => "unmapped in the meantime",
        _ => return word.to_string(),
    };
    format!("{word}: {meaning}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_reasons_are_returned_unchanged() {
        assert_eq!(reason("reason#17"), "reason#17");
        assert_eq!(reason("refs"), "refs: another reference to the page is held");
    }
}
