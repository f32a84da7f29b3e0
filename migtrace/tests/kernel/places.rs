//! Changes of place that are no migration: copies on write, mremap(2), unmapping, huge pages by collapse, KSM, swap.
//! move_pages(2) without destination shows the node of each page before and after.

use std::{env, path::Path, process::exit, ptr, thread, time::Duration};

use migtrace::event::{Event, Place, PlaceChange, Probe};

use crate::{
    attribution::{self, WORKLOAD, workload_argv},
    holder::{move_pages, nodes_of},
    own_workload::{argv, print},
    recorder::Recorder,
    requirements::needs,
    support::{PAGE, Run, migtrace, texts},
    workloads::Setting,
};

pub(crate) const PAGES: usize = 64;
/// Pages of a huge page.
const HUGE: usize = 512;
pub(crate) const ANON: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
/// Of linux/mman.h.
const MADV_COLLAPSE: i32 = 25;

/// A finished recording of a workload, and what the workload printed.
pub(crate) struct Recorded(pub(crate) Run);

impl Recorded {
    pub(crate) fn of(test: &str) -> Self {
        let run = Recorder::start(&["--places"], &argv(test)).finish();
        run.assert_lossless();
        Self(run)
    }

    /// The numbers after `name`.
    pub(crate) fn printed(&self, name: &str) -> Vec<i64> {
        self.0.printed(name)
    }

    /// Changes of this kind that begin in `pages` pages at the printed address, all of which the workload owns.
    pub(crate) fn changes(&self, what: PlaceChange, name: &str, pages: usize) -> Vec<&Place> {
        let start = self.printed(name)[0] as u64;
        let range = start..start + pages as u64 * PAGE;
        let pid = self.printed("pid")[0] as u32;
        let found = self.0.places().into_iter().filter(|(_, p)| p.what == what && range.contains(&p.addr));
        let found: Vec<(&Event, &Place)> = found.collect();
        assert!(found.iter().all(|(event, _)| event.owner().unwrap().process.pid == pid), "{found:#?}");
        found.into_iter().map(|(_, place)| place).collect()
    }
}

/// Prints the node of each page.
pub(crate) fn print_nodes(name: &str, pages: &[u64]) {
    print(name, nodes_of(0, pages).into_iter().map(i64::from));
}

pub(crate) fn pages_of(start: usize, count: usize) -> Vec<u64> {
    (0..count as u64).map(|page| start as u64 + page * PAGE).collect()
}

fn write(pages: &[u64], value: u8) {
    // SAFETY: the pages are mapped writable, and no reference to them exists.
    pages.iter().for_each(|page| unsafe { ptr::write_volatile(*page as *mut u8, value) });
}

/// New pages on these nodes, from one address on.
pub(crate) fn pages_on(nodes: &[(usize, i32)]) -> Vec<u64> {
    let count = nodes.iter().map(|(count, _)| count).sum();
    let pages = pages_of(attribution::map(count * PAGE as usize, ANON, -1), count);
    write(&pages, 1);
    let mut from = 0;
    for (count, node) in nodes {
        move_pages(0, &pages[from..from + count], *node);
        from += count;
    }
    pages
}

/// The workload runs on this CPU from now on. CPU n is on node n.
pub(crate) fn run_on(cpu: usize) {
    // SAFETY: a plain set of bits, for which zero is a valid value; the kernel reads it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        assert_eq!(libc::sched_setaffinity(0, size_of_val(&set), &raw const set), 0);
    }
}

/// Pages on two nodes that can become a huge page.
fn pages_of_a_huge_page() -> Vec<u64> {
    let len = HUGE * PAGE as usize;
    let pages = pages_of(attribution::map(2 * len, ANON, -1).next_multiple_of(len), HUGE);
    write(&pages, 1);
    move_pages(0, &pages[..HUGE / 2], 1);
    move_pages(0, &pages[HUGE / 2..], 2);
    pages
}

/// Makes pages a huge page. From now on khugepaged can do it, too.
fn collapse(start: u64) {
    for advice in [libc::MADV_HUGEPAGE, MADV_COLLAPSE] {
        attribution::advise(start as usize, HUGE * PAGE as usize, advice);
    }
}

fn remap(old: usize, new: usize, len: usize) {
    let fixed = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
    // SAFETY: both ranges are the test's own, and no reference to them exists.
    let moved = unsafe { libc::mremap(old as *mut _, len, len, fixed, new as *mut libc::c_void) };
    assert_eq!(moved as usize, new);
}

/// A child process, which shares this one's pages. It is killed on drop.
pub(crate) struct Sleeping(pub(crate) i32);

impl Sleeping {
    pub(crate) fn start() -> Self {
        // SAFETY: the child only sleeps until it is killed.
        let child = unsafe { libc::fork() };
        if child == 0 {
            thread::sleep(Duration::from_secs(60));
            exit(0);
        }
        Self(child)
    }
}

impl Drop for Sleeping {
    fn drop(&mut self) {
        // SAFETY: the child that was started above, and not waited for.
        unsafe { libc::kill(self.0, libc::SIGKILL) };
    }
}

pub(crate) fn start_workload() {
    println!();
    print("pid", [i64::from(std::process::id())]);
}

#[test]
fn writes_to_shared_pages_copy_them_to_another_node() {
    if env::var_os(WORKLOAD).is_some() {
        start_workload();
        let pages = pages_on(&[(PAGES, 1)]);
        print("cow", [pages[0] as i64]);
        run_on(2);
        let child = Sleeping::start();
        print_nodes("before", &pages);
        write(&pages, 2);
        print_nodes("after", &pages);
        drop(child);
        exit(0);
    }
    let run = Recorded::of("places::writes_to_shared_pages_copy_them_to_another_node");
    let copies: Vec<_> =
        run.changes(PlaceChange::Cow, "cow", PAGES).into_iter().map(|p| (p.src_nid, p.dst_nid)).collect();
    let witness = run.printed("before").into_iter().zip(run.printed("after"));
    let witness: Vec<_> = witness.map(|(from, to)| (Some(from as i32), Some(to as i32))).collect();
    assert_eq!(copies, witness);
    assert_eq!(copies, [(Some(1), Some(2)); PAGES]);
}

#[test]
fn a_range_that_moves_and_ranges_that_end_are_recorded() {
    if env::var_os(WORKLOAD).is_some() {
        start_workload();
        // So that the pages migrate.
        run_on(0);
        let (old, len) = (pages_on(&[(PAGES, 1)])[0] as usize, PAGES * PAGE as usize);
        let new = attribution::map(len, ANON, -1);
        remap(old, new, len);
        print("old", [old as i64]);
        print("new", [new as i64]);
        attribution::advise(new, 4 * PAGE as usize, libc::MADV_DONTNEED);
        // SAFETY: the test's own range.
        assert_eq!(unsafe { libc::munmap((new + 8 * PAGE as usize) as *mut _, len - 8 * PAGE as usize) }, 0);
        // SAFETY: the name ends with a zero.
        let file = unsafe { libc::memfd_create(c"places".as_ptr(), 0) };
        // SAFETY: a file that was just opened.
        assert_eq!(unsafe { libc::ftruncate(file, 8 * PAGE as i64) }, 0);
        let shared = attribution::map(8 * PAGE as usize, libc::MAP_SHARED, file);
        write(&pages_of(shared, 8), 1);
        print("shared", [shared as i64]);
        // SAFETY: as above.
        assert_eq!(unsafe { libc::ftruncate(file, 2 * PAGE as i64) }, 0);
        exit(0);
    }
    let run = Recorded::of("places::a_range_that_moves_and_ranges_that_end_are_recorded");
    let (old, new, shared) =
        (run.printed("old")[0] as u64, run.printed("new")[0] as u64, run.printed("shared")[0] as u64);
    let moves = run.changes(PlaceChange::Remap, "new", PAGES);
    let moves: Vec<_> = moves.into_iter().map(|p| (p.from_addr, p.addr, p.len)).collect();
    assert_eq!(moves, [(Some(old), new, PAGES as u64 * PAGE)]);
    // The history of a page at the new address begins at the old one.
    let page = format!("{:#x}", new + 5 * PAGE);
    let output = migtrace().arg("page").arg(&run.0.ended.trace).arg(&page).output().unwrap();
    let (history, stderr) = texts(&output);
    let has = |text: &str| history.contains(text);
    assert!(
        has("first touch: page") && has("move_pages") && has(&format!("at {old:#x} to {new:#x}")),
        "{history}{stderr}"
    );
    let ends = |name| run.changes(PlaceChange::Unmap, name, PAGES).into_iter().map(|p| (p.addr, p.len / PAGE));
    // mmap() unmaps what was reserved at the new address, and mremap() the mapping there.
    let ended: Vec<_> = ends("new").collect();
    assert_eq!(ended, [(new, PAGES as u64), (new, PAGES as u64), (new, 4), (new + 8 * PAGE, PAGES as u64 - 8)]);
    // The kernel does it before and after it takes the pages out of the file.
    let truncated: Vec<_> = ends("shared").filter(|(addr, _)| *addr == shared + 2 * PAGE).collect();
    assert_eq!(truncated, [(shared + 2 * PAGE, 6); 2]);
}

#[test]
fn pages_that_become_a_huge_page_change_their_node() {
    needs!(huge_pages, collapse);
    if env::var_os(WORKLOAD).is_some() {
        start_workload();
        let pages = pages_of_a_huge_page();
        print("huge", [pages[0] as i64]);
        print_nodes("before", &pages);
        collapse(pages[0]);
        print_nodes("after", &pages);
        exit(0);
    }
    let run = Recorded::of("places::pages_that_become_a_huge_page_change_their_node");
    let (mut nodes, after) = (run.printed("before"), run.printed("after"));
    let runs = run.changes(PlaceChange::Collapse, "huge", HUGE);
    let start = run.printed("huge")[0] as u64;
    let of_runs: u64 = runs.iter().map(|p| p.len / PAGE).sum();
    assert_eq!((of_runs, after.iter().all(|node| *node == after[0])), (HUGE as u64, true), "{runs:#?}");
    // Place before and events give the place after.
    for change in &runs {
        let first = ((change.addr - start) / PAGE) as usize;
        for node in &mut nodes[first..first + (change.len / PAGE) as usize] {
            assert_eq!(change.src_nid, Some(*node as i32), "{change:?}");
            *node = change.dst_nid.unwrap().into();
        }
    }
    assert_eq!(nodes, after);
    let moved: u64 = runs.iter().filter(|p| p.changes_node()).map(|p| p.len / PAGE).sum();
    assert_eq!(moved, 256);
    assert!(run.0.log().contains("256 pages at "), "{}", run.0.log());
}

#[test]
fn equal_pages_that_ksm_merges_change_their_node() {
    needs!(ksm);
    const KSM: &str = "/sys/kernel/mm/ksm";
    if env::var_os(WORKLOAD).is_some() {
        start_workload();
        let pages = pages_on(&[(1, 1), (1, 2)]);
        print("ksm", [pages[0] as i64]);
        print_nodes("before", &pages);
        attribution::advise(pages[0] as usize, 2 * PAGE as usize, libc::MADV_MERGEABLE);
        let mut waited = 0;
        while nodes_of(0, &pages).windows(2).any(|two| two[0] != two[1]) && waited < 600 {
            thread::sleep(Duration::from_millis(50));
            waited += 1;
        }
        print_nodes("after", &pages);
        run_on(3);
        write(&pages, 2);
        print_nodes("written", &pages);
        exit(0);
    }
    let set = |name: &str, value| Setting::set(&Path::new(KSM).join(name), value);
    let _settings = [set("pages_to_scan", "1000"), set("sleep_millisecs", "20"), set("run", "1")];
    let run = Recorded::of("places::equal_pages_that_ksm_merges_change_their_node");
    let (mut nodes, after) = (run.printed("before"), run.printed("after"));
    let start = run.printed("ksm")[0] as u64;
    let mut replay = |what| {
        let changes = run.changes(what, "ksm", 2);
        for change in &changes {
            let node = &mut nodes[((change.addr - start) / PAGE) as usize];
            assert_eq!(change.src_nid, Some(*node as i32), "{change:?}");
            *node = change.dst_nid.unwrap().into();
        }
        (changes.len(), nodes.clone())
    };
    assert_eq!(replay(PlaceChange::Ksm), (1, after));
    assert_eq!(replay(PlaceChange::Cow), (2, run.printed("written")));
    assert_eq!(run.printed("written"), [3, 3]);
}

#[test]
fn pages_that_go_to_swap_and_come_back_are_recorded() {
    needs!(zsmalloc);
    if env::var_os(WORKLOAD).is_some() {
        start_workload();
        let pages = pages_on(&[(PAGES, 1)]);
        print("swap", [pages[0] as i64]);
        attribution::advise(pages[0] as usize, PAGES * PAGE as usize, libc::MADV_PAGEOUT);
        print_nodes("out", &pages);
        run_on(3);
        write(&pages, 2);
        print_nodes("in", &pages);
        exit(0);
    }
    let run = Recorded::of("places::pages_that_go_to_swap_and_come_back_are_recorded");
    let (out, back) = (run.printed("out"), run.printed("in"));
    let gone = out.iter().filter(|node| **node < 0).count();
    assert!(gone > 0, "no page went to swap: {out:?}");
    // mmap() unmaps what was reserved there: a range, without a node.
    let unmapped = run.changes(PlaceChange::Unmap, "swap", PAGES);
    let reclaimed = unmapped.iter().filter(|p| p.src_nid == Some(1) && p.len == PAGE).count();
    assert_eq!((unmapped.len(), reclaimed), (gone + 1, gone), "{unmapped:#?}");
    let came: Vec<_> = run.changes(PlaceChange::SwapIn, "swap", PAGES).into_iter().map(|p| p.dst_nid).collect();
    let expected = out.iter().zip(&back).filter(|(out, _)| **out < 0).map(|(_, node)| Some(*node as i32));
    assert_eq!(came, expected.collect::<Vec<_>>());
}

#[test]
fn without_the_option_no_change_of_place_is_recorded() {
    let run = Recorder::start(&[], &["true"]).finish();
    assert!(run.places().is_empty() && run.account(Probe::Place).seen == 0);
    let only = Recorder::start(&["--kind", "place"], &["sh", "-c", "true; true"]).finish();
    assert!(!only.places().is_empty() && only.faults().is_empty());
}

#[test]
fn a_census_finds_all_changes_of_place_explained() {
    needs!(huge_pages, collapse);
    if env::var_os(WORKLOAD).is_some() {
        start_workload();
        let pages = pages_of_a_huge_page();
        let copied = pages_on(&[(PAGES, 1)]);
        let old = pages_on(&[(PAGES, 3)])[0] as usize;
        let new = attribution::map(PAGES * PAGE as usize, ANON, -1);
        // For a census.
        thread::sleep(Duration::from_secs(6));
        collapse(pages[0]);
        remap(old, new, PAGES * PAGE as usize);
        run_on(2);
        let child = Sleeping::start();
        write(&copied, 2);
        drop(child);
        // For another census.
        thread::sleep(Duration::from_secs(6));
        exit(0);
    }
    let argv = workload_argv("places::a_census_finds_all_changes_of_place_explained");
    let run = Recorder::start(&["--census-every", "1s"], &argv).finish();
    let unexplained = |options: &[&str]| {
        let output = migtrace().args(["summary", "--json"]).args(options).arg(&run.ended.trace).output().unwrap();
        let json: serde_json::Value = serde_json::from_str(&texts(&output).0).unwrap();
        json["census"]["unexplained"].as_u64().unwrap_or_else(|| panic!("{}", json["census"]))
    };
    assert_eq!(unexplained(&[]), 0);
    // The collapse moved 256 pages, and nothing else tells where the range is that moved.
    assert!(unexplained(&["--filter", "kind != place"]) >= 256);
}
