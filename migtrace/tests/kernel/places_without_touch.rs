//! Pages that come to a node, or to an address, without a touch of their own: further mappings of a migrated folio,
//! neighbours that a fault maps, userfaultfd(2). move_pages(2) without destination shows the node of each page.

use std::{
    collections::BTreeMap,
    env,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    process::exit,
    ptr,
};

use migtrace::event::{Body, Place, PlaceChange};

use crate::{
    attribution::{self, WORKLOAD},
    holder::nodes_of,
    own_workload::print,
    places::{ANON, PAGES, Recorded, Sleeping, pages_of, pages_on, print_nodes, run_on, start_workload},
    requirements::skip,
    support::PAGE,
};

#[test]
fn a_folio_that_two_processes_map_migrates_in_both() {
    /// Of linux/mempolicy.h.
    const MPOL_MF_MOVE_ALL: i32 = 1 << 2;
    if env::var_os(WORKLOAD).is_some() {
        start_workload();
        let pages = pages_on(&[(PAGES, 1)]);
        print("shared", [pages[0] as i64]);
        let child = Sleeping::start();
        print("child", [child.0.into()]);
        let (nodes, mut status) = (vec![2_i32; PAGES], vec![0_i32; PAGES]);
        let (addresses, count) = (pages.as_ptr(), pages.len());
        // SAFETY: the kernel reads and writes `count` entries, the length of all three.
        let ret = unsafe {
            let (nodes, status) = (nodes.as_ptr(), status.as_mut_ptr());
            libc::syscall(libc::SYS_move_pages, 0, count, addresses, nodes, status, MPOL_MF_MOVE_ALL)
        };
        assert!(ret >= 0, "{}", std::io::Error::last_os_error());
        print("of_child", nodes_of(child.0 as u32, &pages).into_iter().map(i64::from));
        drop(child);
        exit(0);
    }
    let run = Recorded::of("places_without_touch::a_folio_that_two_processes_map_migrates_in_both");
    let start = run.printed("shared")[0] as u64;
    let range = start..start + PAGES as u64 * PAGE;
    let mut moved: Vec<(u32, u64)> = Vec::new();
    for event in &run.0.events {
        let nodes = match &event.body {
            Body::Migrate(m) => (Some(m.src_nid), m.dst_nid),
            Body::Place(p) if p.what == PlaceChange::Migrate => (p.src_nid, p.dst_nid),
            _ => continue,
        };
        let Some(addr) = event.addr().filter(|addr| range.contains(addr)) else { continue };
        if nodes == (Some(1), Some(2)) {
            moved.push((event.owner().unwrap().process.pid, addr));
        }
    }
    let owners = ["pid", "child"].map(|name| run.printed(name)[0] as u32);
    let mut expected: Vec<_> =
        owners.into_iter().flat_map(|pid| range.clone().step_by(PAGE as usize).map(move |addr| (pid, addr))).collect();
    moved.sort_unstable();
    expected.sort_unstable();
    assert_eq!((moved, run.printed("of_child")), (expected, vec![2; PAGES]));
}

/// The pages of a range that changes of this kind put on a node, with the node.
fn placed(changes: &[&Place], start: u64) -> BTreeMap<usize, i64> {
    let pages = |p: &Place| (p.addr - start) / PAGE..(p.addr + p.len - start) / PAGE;
    let nodes = changes.iter().filter_map(|p| Some((p, p.dst_nid?)));
    nodes.flat_map(|(p, nid)| pages(p).map(move |page| (page as usize, nid.into()))).collect()
}

/// Those of printed nodes that are nodes: other pages are not mapped.
fn on_nodes(nodes: &[i64]) -> BTreeMap<usize, i64> {
    nodes.iter().copied().enumerate().filter(|(_, nid)| *nid >= 0).collect()
}

#[test]
fn a_fault_maps_the_neighbours_of_a_files_page() {
    const TOUCHED: usize = 5;
    if env::var_os(WORKLOAD).is_some() {
        start_workload();
        let path = env::temp_dir().join(format!("migtrace-around-{}", std::process::id()));
        std::fs::write(&path, vec![1; PAGES * PAGE as usize]).unwrap();
        let file = std::fs::File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        // SAFETY: a new mapping at an address that the kernel chooses.
        let start = unsafe {
            let (len, fd) = (PAGES * PAGE as usize, file.as_raw_fd());
            libc::mmap(ptr::null_mut(), len, libc::PROT_READ, libc::MAP_SHARED, fd, 0)
        };
        assert_ne!(start, libc::MAP_FAILED);
        let pages = pages_of(start as usize, PAGES);
        print("file", [pages[0] as i64]);
        // SAFETY: a mapped page.
        unsafe { ptr::read_volatile(pages[TOUCHED] as *const u8) };
        print_nodes("nodes", &pages);
        exit(0);
    }
    let run = Recorded::of("places_without_touch::a_fault_maps_the_neighbours_of_a_files_page");
    let mut found = placed(&run.changes(PlaceChange::MapAround, "file", PAGES), run.printed("file")[0] as u64);
    let expected = on_nodes(&run.printed("nodes"));
    assert!(expected.len() > 1, "{expected:?}");
    // It may be in the fault's own row only.
    found.insert(TOUCHED, expected[&TOUCHED]);
    assert_eq!(found, expected);
}

/// userfaultfd(2) for a range, with these features; `None` if this kernel lacks one.
fn userfaultfd(features: u64, range: (usize, usize)) -> Option<OwnedFd> {
    // Of linux/userfaultfd.h, as below.
    const UFFDIO_API: libc::Ioctl = 0xc018_aa3f_u32 as libc::Ioctl;
    const UFFDIO_REGISTER: libc::Ioctl = 0xc020_aa00_u32 as libc::Ioctl;
    const MISSING: u64 = 1;
    // SAFETY: no preconditions; the descriptor is new.
    let fd = unsafe {
        let fd = libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) as i32;
        (fd >= 0).then(|| OwnedFd::from_raw_fd(fd))?
    };
    let mut api = [0xaa_u64, features, 0];
    let mut register = [range.0 as u64, range.1 as u64, MISSING, 0];
    // SAFETY: structures of the size that each ioctl names.
    unsafe {
        if libc::ioctl(fd.as_raw_fd(), UFFDIO_API, api.as_mut_ptr()) != 0 {
            return None;
        }
        assert_eq!(libc::ioctl(fd.as_raw_fd(), UFFDIO_REGISTER, register.as_mut_ptr()), 0);
    }
    Some(fd)
}

/// UFFDIO_COPY or UFFDIO_MOVE from one range to another.
fn fill(fd: &OwnedFd, ioctl: u32, to: u64, from: u64) {
    let mut args = [to, from, PAGES as u64 * PAGE, 0, 0];
    // SAFETY: a structure of the size that the ioctl names; both ranges are the test's own.
    let ret = unsafe { libc::ioctl(fd.as_raw_fd(), ioctl as libc::Ioctl, args.as_mut_ptr()) };
    assert_eq!(ret, 0, "{}", std::io::Error::last_os_error());
}

/// A workload whose pages on node 1 are copied or moved by userfaultfd(2), by a thread on CPU 3.
fn fill_by_userfaultfd(features: u64, ioctl: u32) -> ! {
    start_workload();
    let len = PAGES * PAGE as usize;
    let (source, target) = (pages_on(&[(PAGES, 1)]), pages_of(attribution::map(len, ANON, -1), PAGES));
    let Some(fd) = userfaultfd(features, (target[0] as usize, len)) else {
        print("unsupported", []);
        exit(0);
    };
    run_on(3);
    print("source", [source[0] as i64]);
    print("target", [target[0] as i64]);
    fill(&fd, ioctl, target[0], source[0]);
    print_nodes("nodes", &target);
    exit(0);
}

/// Records it; `None` if the kernel lacks the feature.
fn recorded_if_supported(test: &str) -> Option<Recorded> {
    let run = Recorded::of(test);
    (!run.0.ended.stdout.contains("unsupported")).then_some(run)
}

#[test]
fn userfaultfd_fills_pages_on_the_copying_threads_node() {
    const UFFDIO_COPY: u32 = 0xc028_aa03;
    if env::var_os(WORKLOAD).is_some() {
        fill_by_userfaultfd(0, UFFDIO_COPY);
    }
    let run = recorded_if_supported("places_without_touch::userfaultfd_fills_pages_on_the_copying_threads_node");
    let Some(run) = run else { return skip("userfaultfd(2)") };
    let found = placed(&run.changes(PlaceChange::Uffd, "target", PAGES), run.printed("target")[0] as u64);
    let expected: BTreeMap<_, _> = (0..PAGES).map(|page| (page, 3)).collect();
    assert_eq!((&found, on_nodes(&run.printed("nodes"))), (&expected, expected.clone()));
}

#[test]
fn userfaultfd_moves_pages_to_another_address() {
    const UFFDIO_MOVE: u32 = 0xc028_aa05;
    const UFFD_FEATURE_MOVE: u64 = 1 << 16;
    if env::var_os(WORKLOAD).is_some() {
        fill_by_userfaultfd(UFFD_FEATURE_MOVE, UFFDIO_MOVE);
    }
    let run = recorded_if_supported("places_without_touch::userfaultfd_moves_pages_to_another_address");
    let Some(run) = run else { return skip("UFFDIO_MOVE") };
    let changes = run.changes(PlaceChange::Uffd, "target", PAGES);
    let moved: Vec<_> = changes.into_iter().map(|p| (p.from_addr, p.addr, p.len)).collect();
    let [source, target] = ["source", "target"].map(|name| run.printed(name)[0] as u64);
    assert_eq!(moved, [(Some(source), target, PAGES as u64 * PAGE)]);
    assert_eq!(run.printed("nodes"), [1; PAGES]);
}
