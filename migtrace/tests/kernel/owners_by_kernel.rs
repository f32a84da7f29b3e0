//! Whose pages, if threads of the kernel migrate them: kswapd demotes them, and DAMON migrates cold ones. A recording of a
//! process has all migrations of its pages, with the thread that acted, and no other process's. The witness is
//! move_pages(2), before and after.

use std::{
    collections::BTreeMap,
    fs, io,
    path::Path,
    ptr,
    time::{Duration, Instant},
};

use migtrace::event::{Cause, Event, Migrate, Outcome};

use crate::{
    attribution,
    holder::Holder,
    owners::record_owner,
    recorder::{TIMEOUT, wait_for},
    requirements::{needs, skip},
    support::{PAGE, Run},
    workloads::{SLOW, Setting, set_mempolicy},
};

const PAGES: usize = 512;
/// What is allocated at a time until kswapd works: a few huge pages.
const CHUNK: usize = 8 << 20;

/// Asserts that the trace has, for each page that is on the node `to` now, one migration there with this cause, and none
/// for those that are where they were. All migrations must be of the holder's pages. Returns their actors' names with the
/// number of pages.
fn assert_moved(run: &Run, holder: &Holder, cause: Cause, to: i32) -> BTreeMap<String, u64> {
    let migrations = run.migrations();
    let mut actors = BTreeMap::new();
    for (event, moved) in &migrations {
        assert_eq!(event.owner().map(|owner| owner.process.pid), Some(holder.pid()), "{event:?}");
        assert_ne!(event.pid, holder.pid(), "{event:?}");
        // The kernel may also compact the node, to make room for others.
        let is_compaction = moved.cause == Cause::Compaction && moved.dst_nid.is_none_or(|to| to == moved.src_nid);
        assert!(moved.cause == cause || is_compaction, "{event:?}");
    }
    let is_move = |(_, m): &&(&Event, &Migrate)| m.result == Outcome::Ok && m.cause == cause;
    let ok: Vec<_> = migrations.iter().filter(is_move).collect();
    for (page, node) in holder.pages().zip(holder.nodes()) {
        let found: Vec<_> = ok.iter().filter(|(_, m)| m.addr == Some(page)).collect();
        match (node, found.as_slice()) {
            (node, []) if node == holder.node => {}
            (node, [(event, moved)]) if node == to => {
                assert_eq!((moved.src_nid, moved.dst_nid, moved.mappings), (holder.node, Some(to), Some(1)));
                *actors.entry(event.comm.to_string()).or_default() += 1;
            }
            // Not on a node any more: swapped out.
            (node, _) if node < 0 => {}
            (node, found) => panic!("{page:#x} is on node {node}: {found:#?}"),
        }
    }
    actors
}

/// Memory of the test itself, on one node, until kswapd migrates the holder's pages. It is unmapped on drop.
struct Pressure(Vec<usize>);

impl Pressure {
    fn until_demoted(holder: &Holder) -> Self {
        let mask = 1_u64 << holder.node;
        set_mempolicy(libc::MPOL_BIND, Some(&mask));
        let mut pressure = Self(Vec::new());
        let began = Instant::now();
        while !holder.nodes().contains(&SLOW) {
            assert!(
                began.elapsed() < TIMEOUT,
                "{} MiB allocated, and nothing demoted",
                (pressure.0.len() * CHUNK) >> 20
            );
            if free_bytes(holder.node) > 2 * CHUNK as u64 {
                pressure.grow();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        set_mempolicy(libc::MPOL_DEFAULT, None);
        pressure
    }

    fn grow(&mut self) {
        let start = attribution::map(CHUNK, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1);
        attribution::advise(start, CHUNK, libc::MADV_HUGEPAGE);
        for page in (start..start + CHUNK).step_by(PAGE as usize) {
            // SAFETY: mapped, and no other code uses it.
            unsafe { ptr::write_volatile(page as *mut u8, 1) };
        }
        self.0.push(start);
    }
}

impl Drop for Pressure {
    fn drop(&mut self) {
        for start in &self.0 {
            // SAFETY: mapped by `grow`, and used by no other code.
            unsafe { libc::munmap(*start as *mut libc::c_void, CHUNK) };
        }
    }
}

fn free_bytes(nid: i32) -> u64 {
    let text = fs::read_to_string(format!("/sys/devices/system/node/node{nid}/meminfo")).unwrap();
    let line = text.lines().find(|line| line.contains("MemFree:")).unwrap();
    line.split_whitespace().rev().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

#[test]
fn pages_that_kswapd_demotes_are_in_the_trace_of_their_process() {
    needs!(two_tiers);
    let _demotion = Setting::set(Path::new("/sys/kernel/mm/numa/demotion_enabled"), "1");
    // kswapd begins at 5 % of free memory, long before a task must reclaim memory itself.
    let _early = Setting::set(Path::new("/proc/sys/vm/watermark_scale_factor"), "500");
    let (holder, other) = (Holder::of(PAGES, 1), Holder::of(PAGES, 1));
    let run = record_owner(&holder, || {
        let pressure = Pressure::until_demoted(&holder);
        wait_for("the other's pages demoted", || other.nodes().contains(&SLOW).then_some(()));
        drop(pressure);
        // What kswapd has begun ends.
        settle(&holder);
    });
    let actors = assert_moved(&run, &holder, Cause::Demotion, SLOW);
    assert!(actors.get("kswapd1").is_some_and(|pages| *pages > 0), "{actors:?}");
    let me = fs::read_to_string("/proc/thread-self/comm").unwrap();
    assert!(actors.keys().all(|comm| comm == "kswapd1" || comm == me.trim()), "{actors:?}");
}

/// Waits until the pages are where they were half a second ago.
fn settle(holder: &Holder) {
    let mut before = holder.nodes();
    wait_for("pages that stay", || {
        std::thread::sleep(Duration::from_millis(500));
        let now = holder.nodes();
        let same = now == before;
        before = now;
        same.then_some(())
    });
}

/// DAMON, which migrates pages of a range of memory that no task touches.
struct Damon;

impl Damon {
    const ADMIN: &str = "/sys/kernel/mm/damon/admin/kdamonds";

    /// Migrates cold pages in these frames to a node. Fails if the kernel's DAMON cannot.
    fn start(frames: std::ops::RangeInclusive<u64>, to: i32) -> io::Result<Self> {
        let damon = Self;
        let context = "0/contexts/0";
        let (first, last) = ((frames.start() * PAGE).to_string(), ((frames.end() + 1) * PAGE).to_string());
        let (scheme, to) = (format!("{context}/schemes/0"), to.to_string());
        let most = u64::MAX.to_string();
        let settings = [
            ("nr_kdamonds".to_owned(), "1"),
            ("0/contexts/nr_contexts".to_owned(), "1"),
            (format!("{context}/operations"), "paddr"),
            (format!("{context}/targets/nr_targets"), "1"),
            (format!("{context}/targets/0/regions/nr_regions"), "1"),
            (format!("{context}/targets/0/regions/0/start"), &first),
            (format!("{context}/targets/0/regions/0/end"), &last),
            (format!("{context}/schemes/nr_schemes"), "1"),
            (format!("{scheme}/action"), "migrate_cold"),
            (format!("{scheme}/target_nid"), &to),
            (format!("{scheme}/access_pattern/sz/max"), &most),
            (format!("{scheme}/access_pattern/age/max"), "4294967295"),
            ("0/state".to_owned(), "on"),
        ];
        for (file, value) in settings {
            fs::write(Path::new(Self::ADMIN).join(&file), value)
                .map_err(|error| io::Error::new(error.kind(), format!("{file} = {value}: {error}")))?;
        }
        Ok(damon)
    }
}

impl Drop for Damon {
    fn drop(&mut self) {
        let admin = Path::new(Self::ADMIN);
        let _ = fs::write(admin.join("0/state"), "off");
        let _ = fs::write(admin.join("nr_kdamonds"), "0");
    }
}

#[test]
fn pages_that_damon_migrates_are_in_the_trace_of_their_process() {
    needs!(damon_migrations);
    let (holder, other) = (Holder::of(PAGES, 1), Holder::of(PAGES, 1));
    let frames: Vec<_> = holder.frames().into_iter().chain(other.frames()).collect();
    let frames = *frames.iter().min().unwrap()..=*frames.iter().max().unwrap();
    // Without the address space for physical memory, or without the action, the kernel rejects the settings.
    let possible = Damon::start(frames.clone(), holder.node).map(drop);
    if let Err(error) = possible {
        println!("{error}");
        return skip("DAMON that migrates cold pages of physical memory");
    }
    let run = record_owner(&holder, || {
        let damon = Damon::start(frames, 2).unwrap();
        wait_for("all pages on node 2", || {
            let both = holder.nodes().into_iter().chain(other.nodes());
            both.into_iter().all(|node| node == 2).then_some(())
        });
        drop(damon);
    });
    let actors = assert_moved(&run, &holder, Cause::Damon, 2);
    assert_eq!(actors, [("kdamond.0".to_owned(), PAGES as u64)].into());
}
