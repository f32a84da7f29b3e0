//! Memory that the kernel clears of all pages, of any process: blocks that go offline, contiguous ranges, pages with a
//! long-term pin. Also huge pages that the kernel splits before it migrates them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use migtrace::event::{Cause, Outcome};

use crate::{
    holder::Holder,
    recorder::Recorder,
    requirements::{self, needs},
    support::{PAGES, Run, record},
    workloads::{CallCounter, assert_reconciled, assert_reconciled_with_freed, pages},
};

#[test]
fn pages_freed_from_a_huge_page_do_not_migrate_with_it() {
    needs!(huge_pages);
    let (held, gone) = (412, 100);
    let run = record(
        "anon seg 2m huge\nmap seg\nmbind seg preferred 1\ntouch seg write\nmadvise seg 100p 100p dontneed\n\
         mbind seg bind+move 2\nwhere seg\nverify seg\n",
    );
    assert!(run.ended.stdout.contains(&format!("512 pages: node 2: {held}, ")), "{}", run.ended.stdout);
    let split: u64 = run.ended.ftrace.iter().map(|seen| seen.number("nr_thp_split")).sum();
    // Before 6.10 the kernel migrates the huge page as a whole, including pages that no process maps.
    let (moved, freed) = if split == 1 { (held, gone) } else { (512, 0) };
    assert_eq!(
        (run.migrated_pages(), run.freed_before_migration()),
        (pages([(Cause::Mbind, 1, 2, moved)]), freed),
        "{split} split"
    );
    let recorded: u32 = run.batches().iter().map(|(_, b)| b.thp_split.unwrap()).sum();
    assert_eq!(u64::from(recorded), split, "huge pages split, in the trace and by ftrace");
    // A split is not a failure.
    let failed = run.migrations().into_iter().filter(|(_, m)| m.result == Outcome::Failed).count();
    assert_eq!(failed, 0, "{:#?}", run.migrations());
    assert_reconciled_with_freed(&run, freed);
    let freed = format!("{moved} pages migrated, {freed} freed before migration, 1 huge page split, 0 failed");
    assert!(split == 0 || run.log().contains(&freed), "{freed}: {}", run.log());
}

#[test]
fn offlining_a_block_migrates_its_pages() {
    needs!(memory_blocks);
    let blocks = Blocks::of_node(3);
    let holder = Holder::of(1000, 3);
    // The kernel allocates from movable memory first, so all pages are in these blocks.
    let pages = vec![true; 1000];
    let moves = count_folio_migrations();
    let offline = format!("set -e; for block in {blocks}; do echo offline > $block/state; done");
    let run = Recorder::start(&[], &["sh", "-c", &offline]).finish();
    assert_cleared(&run, &holder, &pages, moves.so_far(), Cause::Hotplug, |node| node != 3);
}

#[test]
fn allocating_a_contiguous_range_migrates_its_pages() {
    needs!(contiguous_ranges);
    let area = Path::new(requirements::CMA).read_dir().unwrap().next().unwrap().unwrap().path();
    let [base, count] =
        ["base_pfn", "count"].map(|file| fs::read_to_string(area.join(file)).unwrap().trim().parse::<u64>().unwrap());
    // The allocation fails if a page has another reference at that moment, for example while it is read from disk.
    let alloc = format!(
        "for n in 1 2 3 4 5 6 7 8; do echo {count} > {}/alloc && exit; sleep 0.5; done; exit 1",
        area.display()
    );
    let free = || fs::write(area.join("free"), count.to_string()).unwrap();
    // The kernel allocates pages in the range while it is most of the free memory and the CPUs' lists of free pages are
    // empty. Clearing the range once achieves both.
    assert!(Command::new("sh").args(["-c", &alloc]).status().unwrap().success());
    free();
    let in_range = |pfn| (base..base + count).contains(&pfn);
    let selected = |holder: &Holder| holder.frames().into_iter().map(in_range).collect::<Vec<_>>();
    // What earlier tests freed can be more than the range: others hold it until a page of the holder is in the range.
    let mut others = Vec::new();
    let mut holder = Holder::of(1000, 2);
    while !selected(&holder).contains(&true) {
        assert!(others.len() < 32, "no page in {base:#x} + {count:#x}: {:x?}", holder.frames());
        others.push(holder);
        others.push(Holder::of(16_000, 2));
        holder = Holder::of(1000, 2);
    }
    drop(others);
    let pages = selected(&holder);
    let moves = count_folio_migrations();
    let run = Recorder::start(&[], &["sh", "-c", &alloc]).finish();
    free();
    assert_cleared(&run, &holder, &pages, moves.so_far(), Cause::ContigRange, |node| node == 2);
}

#[test]
fn a_longterm_pin_migrates_pages_out_of_movable_memory() {
    needs!(memory_blocks);
    let _blocks = Blocks::of_node(3);
    let run = record(
        "anon seg 8p\nmap seg\nmbind seg preferred 3\ntouch seg write\npin seg longterm\nwhere seg\nverify seg\n",
    );
    assert_eq!(run.migrated_pages(), pages([(Cause::LongtermPin, 3, 3, PAGES)]));
    assert!(run.ended.stdout.contains("8 pages: node 3: 8"), "{}", run.ended.stdout);
    assert_reconciled(&run);
}

/// Asserts that a recording contains one migration of each page of the holder that `pages` selects, with this cause and
/// to the page's present node. It must contain no migration of the holder's other pages, and all migrations of other
/// processes.
fn assert_cleared(run: &Run, holder: &Holder, pages: &[bool], moves: u64, cause: Cause, to: impl Fn(i32) -> bool) {
    // The kernel may also compact memory meanwhile, to make room elsewhere.
    assert!(
        run.migrated_pages().keys().all(|(why, ..)| [cause, Cause::Compaction].contains(why)),
        "{:?}",
        run.migrated_pages()
    );
    let migrations = run.migrations();
    for ((page, node), &is_moved) in holder.pages().zip(holder.nodes()).zip(pages) {
        let found: Vec<_> = migrations.iter().filter(|(_, m)| m.addr == Some(page)).collect();
        if !is_moved {
            assert!(found.is_empty(), "{page:#x} on node {node}: {found:#?}");
            continue;
        }
        let [(_, moved)] = found.as_slice() else { panic!("{page:#x} on node {node}: {found:#?}") };
        assert_eq!((moved.cause, moved.src_nid, moved.dst_nid), (cause, holder.node, Some(node)));
        assert_eq!(moved.result, Outcome::Ok);
        assert!(to(node), "{page:#x} is on node {node}");
    }
    // The kernel calls that function for each folio that migrates. Equal counts show that no migration was missed and
    // counted as freed instead.
    let moved = migrations.iter().filter(|(_, m)| m.result == Outcome::Ok).count() as u64;
    assert_eq!(moved, moves, "migrated folios against calls");
    assert_reconciled(run);
}

/// Counts calls of the function that the kernel calls for each folio that migrates.
fn count_folio_migrations() -> CallCounter {
    let symbols = fs::read_to_string("/proc/kallsyms").unwrap();
    let exists = |name: &&str| symbols.contains(&format!(" {name}\n"));
    CallCounter::start(["folio_migrate_flags", "migrate_page_states"].into_iter().find(exists).unwrap())
}

/// Blocks of a node's memory in which all pages must stay movable. On drop they become blocks for any page.
pub(crate) struct Blocks(Vec<PathBuf>);

impl Blocks {
    const COUNT: usize = 2;

    pub(crate) fn of_node(node: i32) -> Self {
        let mut all: Vec<_> = fs::read_dir(format!("/sys/devices/system/node/node{node}")).unwrap().flatten().collect();
        all.retain(|entry| {
            entry.file_name().to_string_lossy().strip_prefix("memory").is_some_and(|n| n.parse::<u32>().is_ok())
        });
        let mut blocks = Self(Vec::new());
        for block in all {
            // A block with an unmovable page cannot go offline, and stays as it is.
            if blocks.0.len() < Self::COUNT && set(&block.path(), "offline").is_ok() {
                blocks.0.push(block.path());
                set(&block.path(), "online_movable").unwrap();
            }
        }
        assert_eq!(blocks.0.len(), Self::COUNT, "blocks of node {node} that can go offline");
        blocks
    }

    pub(crate) fn set(&self, state: &str) {
        self.0.iter().for_each(|block| set(block, state).unwrap());
    }
}

impl std::fmt::Display for Blocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.iter().map(|block| block.display().to_string()).collect::<Vec<_>>().join(" "))
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        for block in &self.0 {
            // The test may have left the block offline already.
            let _ = set(block, "offline");
            let _ = set(block, "online_kernel");
        }
    }
}

fn set(block: &Path, state: &str) -> std::io::Result<()> {
    fs::write(block.join("state"), state)
}
