//! `migtrace map` against move_pages(2), /proc/PID/numa_maps and smaps, page by page, for memory of several kinds, nodes and
//! policies.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    process::{Command, Stdio},
};

use serde_json::Value as Json;

use crate::{
    recorder::{CapturedOutput, ChildGuard, send},
    requirements::{self, needs},
    support::{PAGE, Script, WRITTEN_ON_1, migtrace, texts},
};

/// CAP_SYS_ADMIN, without which the kernel hides page frames.
const SYS_ADMIN: libc::c_ulong = 21;

/// Segments on all nodes, one of huge pages, one that is only read, and one of which half is off its policy.
fn script(end: &str) -> String {
    let swap = if requirements::zsmalloc().is_none() { "madvise out pageout\n" } else { "" };
    format!(
        "cpu 0\n\
         anon spread 64p\nmap spread\nmbind spread interleave 0-3\ntouch spread write\n\
         anon zeros 16p\nmap zeros\ntouch zeros read\n\
         anon shared 24p shared\nmap shared\nmbind shared preferred_many 2-3\ntouch shared write\n\
         anon large 4m huge\nmap large\nmbind large bind 3\ntouch large write\n\
         anon out 8p\nmap out\ntouch out write\n{swap}\
         anon half 32p\nmap half\nmbind half preferred 1\ntouch half write\nmove half 0 16p to 2\n\
         where half\n{end}"
    )
}

/// The workload, which has finished its work and sleeps.
fn sleeping() -> (ChildGuard, Script) {
    start(&script("snooze 1000\n"), "node 1: 16, node 2: 16")
}

/// A script that has printed this text.
fn start(script: &str, until: &str) -> (ChildGuard, Script) {
    let script = Script::new(script);
    let mut command = script.command();
    let mut child = ChildGuard::start(command.stdout(Stdio::piped()));
    CapturedOutput::from(child.0.stdout.take().unwrap()).wait_for(until);
    (child, script)
}

fn map(command: &mut Command, pid: u32) -> Json {
    let output = command.args(["map", "--json", "--runs", &pid.to_string()]).output().unwrap();
    let (stdout, stderr) = texts(&output);
    assert!(output.status.success(), "{stderr}");
    serde_json::from_str(&stdout).unwrap()
}

/// Each page by address: its node, or the word of its place.
fn pages(map: &Json) -> BTreeMap<u64, String> {
    let mut pages = BTreeMap::new();
    for region in map["regions"].as_array().unwrap() {
        let mut counts = BTreeMap::new();
        for run in region["runs"].as_array().into_iter().flatten() {
            let place =
                run["nid"].as_i64().map_or_else(|| run["place"].as_str().unwrap().to_owned(), |nid| nid.to_string());
            let (addr, count) = (run["addr"].as_u64().unwrap(), run["pages"].as_u64().unwrap());
            *counts.entry(place.clone()).or_insert(0) += count;
            pages.extend((0..count).map(|page| (addr + page * PAGE, place.clone())));
        }
        let nodes = region["pages"]["nodes"].as_array().unwrap();
        let by_region = nodes.iter().map(|node| (node["nid"].to_string(), node["pages"].as_u64().unwrap()));
        let others = ["zero", "swap", "special", "unknown_node"]
            .map(|place| (place.to_owned(), region["pages"][place].as_u64().unwrap()));
        let by_region: BTreeMap<String, u64> = by_region.chain(others).filter(|(_, pages)| *pages > 0).collect();
        assert_eq!(by_region, counts, "counts against runs: {region}");
    }
    pages
}

/// Statuses of move_pages(2) without nodes.
fn statuses(pid: u32, addresses: &[u64], nodes: Option<&[i32]>) -> Vec<i32> {
    let mut statuses = vec![0_i32; addresses.len()];
    let nodes = nodes.map_or(std::ptr::null(), <[i32]>::as_ptr);
    // SAFETY: as many addresses, nodes (or none) and statuses as their number says.
    let ret = unsafe {
        libc::syscall(libc::SYS_move_pages, pid, addresses.len(), addresses.as_ptr(), nodes, statuses.as_mut_ptr(), 2)
    };
    assert_eq!(ret, 0, "move_pages: {}", std::io::Error::last_os_error());
    statuses
}

/// Every page of every region but the kernel's own has the place that move_pages(2) reports.
fn assert_as_move_pages(map: &Json, pid: u32) {
    let placed = pages(map);
    for region in map["regions"].as_array().unwrap() {
        let (start, end) = (region["start"].as_u64().unwrap(), region["end"].as_u64().unwrap());
        if region["kind"] == "other" {
            continue;
        }
        let addresses: Vec<u64> = (start..end).step_by(PAGE as usize).collect();
        for (addr, status) in addresses.iter().zip(statuses(pid, &addresses, None)) {
            let place = placed.get(addr).map_or("absent", String::as_str);
            let matches = match status {
                0.. => place == status.to_string(),
                // Linux 6.1 returns it for an address without a page table, too.
                _ if status == -libc::EFAULT => matches!(place, "zero" | "absent"),
                _ => matches!(place, "absent" | "swap"),
            };
            assert!(matches, "{addr:#x} of {region}: {place}, move_pages(2): {status}");
        }
    }
}

/// Numbers of a region in numa_maps: pages of 4 KiB by node.
fn numa_maps(pid: u32) -> BTreeMap<u64, (String, BTreeMap<i64, u64>)> {
    let text = fs::read_to_string(format!("/proc/{pid}/numa_maps")).unwrap();
    let of_line = |line: &str| {
        let start = u64::from_str_radix(line.split(' ').next().unwrap(), 16).unwrap();
        let policy = line.split_once(' ').unwrap().1.split(" anon=").next().unwrap().split(" file=").next().unwrap();
        let nodes = line.split(' ').filter_map(|word| word.strip_prefix('N')?.split_once('='));
        let nodes = nodes.map(|(nid, pages)| (nid.parse().unwrap(), pages.parse().unwrap()));
        (start, (policy.to_owned(), nodes.collect()))
    };
    text.lines().map(of_line).collect()
}

/// A sum of lines of smaps in pages.
fn smaps(pid: u32, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap();
    let kib = text.lines().filter_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.sum::<u64>() / 4
}

#[test]
fn a_map_equals_move_pages_and_numa_maps_and_smaps() {
    let (child, _script) = sleeping();
    let pid = child.0.id();
    let map = map(&mut migtrace(), pid);
    assert!(map["sources"]["by_frame"].as_u64().unwrap() > 1000 && map["sources"]["by_move_pages"] == 0, "{map}");
    assert_as_move_pages(&map, pid);
    let numa_maps = numa_maps(pid);
    let mut policies = BTreeMap::new();
    for region in map["regions"].as_array().unwrap().iter().filter(|region| region["kind"] != "other") {
        let (policy, nodes) = &numa_maps[&region["start"].as_u64().unwrap()];
        let of_map = region["pages"]["nodes"].as_array().unwrap().iter();
        let of_map: BTreeMap<i64, u64> =
            of_map.map(|node| (node["nid"].as_i64().unwrap(), node["pages"].as_u64().unwrap())).collect();
        assert_eq!(of_map, *nodes, "{region}");
        assert!(policy.starts_with(region["policy"].as_str().unwrap()), "{policy}: {region}");
        if !region["off_policy"].is_null() {
            policies.insert(region["policy"].as_str().unwrap().to_owned(), region["off_policy"].as_u64().unwrap());
        }
    }
    let expected = [("bind:3", 0), ("interleave:0-3", 0), ("prefer (many):2-3", 0), ("prefer:1", 16)];
    assert_eq!(policies, expected.map(|(policy, pages)| (policy.to_owned(), pages)).into());
    assert_eq!((&map["off_policy"], &map["policy_names_nodes"]), (&16.into(), &(64 + 24 + 1024 + 32).into()));
    // The only thread runs on a CPU of node 0.
    assert_eq!(map["threads"], serde_json::json!([{"nid": 0, "threads": 1}]));
    let elsewhere = pages(&map).values().filter(|place| place.parse::<i32>().is_ok_and(|nid| nid != 0)).count();
    assert_eq!(map["remote"].as_u64(), Some(elsewhere as u64));
    assert!(map["pages"]["zero"].as_u64().unwrap() >= 16, "{}", map["pages"]);
    assert_eq!(map["huge"].as_u64().unwrap(), smaps(pid, "AnonHugePages:"));
    if requirements::huge_pages().is_none() {
        assert_eq!(map["huge"], 1024);
    }
    assert_eq!(map["pages"]["swap"].as_u64().unwrap(), smaps(pid, "Swap:"));
    if requirements::zsmalloc().is_none() {
        assert!(map["pages"]["swap"].as_u64().unwrap() >= 8);
    }
}

#[test]
fn a_map_without_frames_is_the_same_by_move_pages() {
    let (child, _script) = sleeping();
    let pid = child.0.id();
    let with_frames = map(&mut migtrace(), pid);
    let mut command = migtrace();
    // SAFETY: between fork and exec only prctl is called, which is async-signal-safe.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_CAPBSET_DROP, SYS_ADMIN, 0, 0, 0) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
    let without = map(&mut command, pid);
    assert_eq!(without["sources"]["by_frame"], 0);
    assert!(without["sources"]["by_move_pages"].as_u64().unwrap() > 1000);
    let own = |map: &Json| {
        let regions = map["regions"].as_array().unwrap();
        let kernels = regions.iter().filter(|region| region["kind"] == "other");
        let kernels: Vec<_> = kernels.map(|r| r["start"].as_u64().unwrap()..r["end"].as_u64().unwrap()).collect();
        let mut pages = pages(map);
        pages.retain(|addr, _| !kernels.iter().any(|range| range.contains(addr)));
        pages
    };
    assert_eq!(own(&without), own(&with_frames));
    assert_eq!(without["huge"], with_frames["huge"]);
}

#[test]
fn a_command_is_mapped_before_its_exit() {
    // At the end of its script, memtoy unmaps its segments.
    let script = Script::new(&script("snooze 1000\n"));
    let file = tempfile::NamedTempFile::with_suffix(".json").unwrap();
    let mut command = migtrace();
    command.args(["map", "--json", "-o", file.path().to_str().unwrap(), "--"]).args(script.argv());
    let mut child = ChildGuard::start(command.stdin(Stdio::null()).stdout(Stdio::piped()));
    CapturedOutput::from(child.0.stdout.take().unwrap()).wait_for("node 1: 16, node 2: 16");
    // It passes the signal on to the command.
    send(child.0.id(), libc::SIGTERM);
    assert_eq!(child.0.wait().unwrap().code(), Some(128 + libc::SIGTERM));
    let map: Json = serde_json::from_str(&fs::read_to_string(file.path()).unwrap()).unwrap();
    let region = |policy: &str| map["regions"].as_array().unwrap().iter().find(|r| r["policy"] == policy).unwrap();
    let node = |nid: u64, pages: u64| serde_json::json!({"nid": nid, "pages": pages});
    assert_eq!(region("interleave:0-3")["pages"]["nodes"], Json::from_iter((0..4).map(|nid| node(nid, 16))));
    assert_eq!(region("prefer:1")["pages"]["nodes"], Json::from_iter([node(1, 16), node(2, 16)]));
}

#[test]
fn watching_shows_the_pages_that_migrated_between_two_readings() {
    let (child, _script) = sleeping();
    let pid = child.0.id();
    let mut command = migtrace();
    command.args(["map", "--watch", "2s", "-n", "2", "--json", &pid.to_string()]);
    let mut watcher = ChildGuard::start(command.stdin(Stdio::null()).stdout(Stdio::piped()));
    let mut lines = BufReader::new(watcher.0.stdout.take().unwrap()).lines();
    let first: Json = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    let half = first["regions"].as_array().unwrap().iter().find(|region| region["policy"] == "prefer:1").unwrap();
    let start = half["start"].as_u64().unwrap();
    let addresses: Vec<u64> = (0..20).map(|page| start + page * PAGE).collect();
    // 16 of these pages are on node 2, and 4 on node 1.
    statuses(pid, &addresses, Some(&[3; 20]));
    let second: Json = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    let step = |from: i32, pages: u64| serde_json::json!({"from": "node", "from_nid": from, "to": "node", "to_nid": 3, "pages": pages});
    let expected = Json::from_iter([step(1, 4), step(2, 16)]);
    assert_eq!(second["changes"], expected);
    assert_eq!(second["regions"], serde_json::json!([{"start": start, "name": "anon", "changes": expected}]));
    assert!(watcher.0.wait().unwrap().success());
}

#[test]
fn a_marked_page_is_in_swap_until_it_is_touched() {
    needs!(migrate_on_fault);
    let marked = "mbind seg bind+move+lazy 2\ntouch seg 2p 1p read\nwhere seg\nsnooze 1000\n";
    let (child, _script) = start(&format!("{WRITTEN_ON_1}{marked}"), "8 pages: node 2: 1, absent: 7");
    let map = map(&mut migtrace(), child.0.id());
    let seg = map["regions"].as_array().unwrap().iter().find(|region| region["policy"] == "bind:2").unwrap();
    assert_eq!(
        (&seg["pages"]["nodes"], &seg["pages"]["swap"]),
        (&serde_json::json!([{"nid": 2, "pages": 1}]), &7.into())
    );
}
