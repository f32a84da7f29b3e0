//! Nodes as they are now, from /sys/devices/system/node, and what changed since the last reading.
//!
//! Which nodes a machine has at the start of a recording is in topology.rs.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::event::{Body, Event, NodeChange, NodeFacts, NodeMask, NumaPages};

/// Reads the nodes again and again.
#[derive(Debug)]
pub struct NodeWatch {
    /// /sys/devices/system/node.
    nodes: PathBuf,
    /// /sys/devices/virtual/memory_tiering, since Linux 6.1.
    tiers: PathBuf,
    /// /proc/sys/vm/numa_stat.
    counts: PathBuf,
    /// The nodes at the last reading; `None` before the first.
    before: Option<BTreeMap<i32, NodeFacts>>,
}

impl NodeWatch {
    /// For the running machine.
    #[must_use]
    pub fn running() -> Self {
        Self {
            nodes: "/sys/devices/system/node".into(),
            tiers: "/sys/devices/virtual/memory_tiering".into(),
            counts: "/proc/sys/vm/numa_stat".into(),
            before: None,
        }
    }

    /// An event for each node that is online, or was at the last reading. Without NUMA in the kernel, there are none.
    pub fn read(&mut self, ts_ns: u64) -> Vec<Event> {
        let mut now = self.now();
        let before = self.before.replace(now.clone());
        if let Some(before) = before {
            now.values_mut().for_each(|node| node.change = change(before.get(&node.nid), node));
            for nid in before.into_keys() {
                let gone = || NodeFacts { nid, change: Some(NodeChange::Offline), ..NodeFacts::default() };
                now.entry(nid).or_insert_with(gone);
            }
        }
        now.into_values().map(|node| Event::at(ts_ns, Body::Node(Box::new(node)))).collect()
    }

    /// The nodes as they are now, by number.
    #[must_use]
    pub fn now(&self) -> BTreeMap<i32, NodeFacts> {
        let tiers = tiers(&self.tiers);
        // Off, the kernel counts nothing, and shows 0.
        let counts = fs::read_to_string(&self.counts).map_or(true, |on| on.trim() != "0");
        let node = |nid: &u32| {
            let facts = facts(&self.nodes.join(format!("node{nid}")), *nid as i32, counts);
            (facts.nid, NodeFacts { tier: tiers.get(nid).copied(), ..facts })
        };
        list(&self.nodes.join("online")).nodes().iter().map(node).collect()
    }
}

fn list(path: &Path) -> NodeMask {
    fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or_default()
}

fn facts(dir: &Path, nid: i32, counts: bool) -> NodeFacts {
    let meminfo = fs::read_to_string(dir.join("meminfo")).unwrap_or_default();
    let numastat = fs::read_to_string(dir.join("numastat")).unwrap_or_default();
    let count = |name: &str| value(&numastat, name).filter(|_| counts);
    NodeFacts {
        nid,
        change: None,
        cpus: fs::read_to_string(dir.join("cpulist")).ok().map(|list| list.trim().to_owned()),
        mem_bytes: value(&meminfo, "MemTotal:").map(|kib| kib * 1024),
        free_bytes: value(&meminfo, "MemFree:").map(|kib| kib * 1024),
        tier: None,
        pages: NumaPages {
            hit: count("numa_hit"),
            miss: count("numa_miss"),
            foreign: count("numa_foreign"),
            interleave_hit: count("interleave_hit"),
            local: count("local_node"),
            other: count("other_node"),
        },
    }
}

/// The number after `name`, in a line of words: `Node 0 MemTotal:  1024 kB`, `numa_hit 17`.
fn value(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace().skip_while(|word| *word != name).skip(1);
        words.next()?.parse().ok()
    })
}

/// The memory tier of each node. A node without memory is in none.
fn tiers(dir: &Path) -> BTreeMap<u32, u32> {
    let mut tiers = BTreeMap::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(tier) = name.to_str().and_then(|name| name.strip_prefix("memory_tier")?.parse().ok()) else {
            continue;
        };
        tiers.extend(list(&entry.path().join("nodelist")).nodes().iter().map(|nid| (*nid, tier)));
    }
    tiers
}

fn change(before: Option<&NodeFacts>, now: &NodeFacts) -> Option<NodeChange> {
    let Some(before) = before else { return Some(NodeChange::Online) };
    let changes = [
        (before.cpus != now.cpus, NodeChange::Cpus),
        (before.mem_bytes != now.mem_bytes, NodeChange::Memory),
        (before.tier != now.tier, NodeChange::Tier),
    ];
    changes.into_iter().find(|(changed, _)| *changed).map(|(_, change)| change)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Self {
            let machine = Self(tempfile::tempdir().expect("a directory"));
            machine.set("numa_stat", "1");
            machine.set("online", "0,2");
            machine.node(0, "0-1", 1024, 5);
            machine.node(2, "", 0, 0);
            machine
        }

        fn set(&self, name: &str, text: &str) {
            let path = self.0.path().join(name);
            fs::create_dir_all(path.parent().expect("a directory")).expect("made");
            fs::write(path, format!("{text}\n")).expect("written");
        }

        fn node(&self, nid: u32, cpus: &str, kib: u64, hit: u64) {
            self.set(&format!("node{nid}/cpulist"), cpus);
            let meminfo = format!("Node {nid} MemTotal:  {kib} kB\nNode {nid} MemFree:  {} kB", kib / 2);
            self.set(&format!("node{nid}/meminfo"), &meminfo);
            let rest = "numa_miss 2\nnuma_foreign 3\ninterleave_hit 4\nlocal_node 6\nother_node 7";
            self.set(&format!("node{nid}/numastat"), &format!("numa_hit {hit}\n{rest}"));
        }

        fn watch(&self) -> NodeWatch {
            let path = self.0.path();
            let (tiers, counts) = (path.join("tiers"), path.join("numa_stat"));
            NodeWatch { nodes: path.to_owned(), tiers, counts, before: None }
        }
    }

    fn nodes(watch: &mut NodeWatch) -> Vec<NodeFacts> {
        let of = |event: Event| if let Body::Node(node) = event.body { *node } else { panic!("{event:?}") };
        watch.read(7).into_iter().map(of).collect()
    }

    #[test]
    fn a_node_has_its_cpus_memory_counts_and_tier() {
        let machine = Machine::new();
        machine.set("tiers/memory_tier4/nodelist", "0");
        machine.set("tiers/power/nodelist", "2");
        let found = nodes(&mut machine.watch());
        let pages = NumaPages {
            hit: Some(5),
            miss: Some(2),
            foreign: Some(3),
            interleave_hit: Some(4),
            local: Some(6),
            other: Some(7),
        };
        let (cpus, mem_bytes, free_bytes) = (Some("0-1".into()), Some(1 << 20), Some(1 << 19));
        let first = NodeFacts { nid: 0, change: None, cpus, mem_bytes, free_bytes, tier: Some(4), pages };
        assert_eq!(found[0], first);
        assert_eq!((found[1].lacks(), found[1].tier), (Some("neither CPUs nor memory"), None));
        assert_eq!(first.lacks(), None);
    }

    #[test]
    fn what_changes_is_named_once() {
        let machine = Machine::new();
        let mut watch = machine.watch();
        let mut changes = || nodes(&mut watch).into_iter().map(|n| (n.nid, n.change)).collect::<Vec<_>>();
        assert_eq!(changes(), [(0, None), (2, None)], "nothing is known of before");
        machine.node(0, "0", 1024, 9);
        machine.node(2, "", 4096, 0);
        assert_eq!(changes(), [(0, Some(NodeChange::Cpus)), (2, Some(NodeChange::Memory))]);
        assert_eq!(changes(), [(0, None), (2, None)]);
        machine.set("tiers/memory_tier9/nodelist", "2");
        machine.set("online", "2-3");
        machine.node(3, "5", 1, 0);
        let three = [(0, Some(NodeChange::Offline)), (2, Some(NodeChange::Tier)), (3, Some(NodeChange::Online))];
        assert_eq!(changes(), three);
        assert_eq!(changes(), [(2, None), (3, None)], "a node that is gone has no more rows");
    }

    #[test]
    fn what_the_kernel_does_not_show_is_unknown() {
        let machine = Machine::new();
        machine.set("numa_stat", "0");
        fs::remove_file(machine.0.path().join("node0/meminfo")).expect("removed");
        let found = nodes(&mut machine.watch());
        assert_eq!((found[0].mem_bytes, found[0].pages), (None, NumaPages::default()));
        assert_eq!(found[0].lacks(), None);
        fs::remove_file(machine.0.path().join("online")).expect("removed");
        assert_eq!(nodes(&mut machine.watch()), [], "a kernel without NUMA");
    }
}
