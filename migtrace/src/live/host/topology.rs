//! NUMA nodes of this machine, from /sys/devices/system/node.

use std::{fs, path::Path};

use migtrace_common::record::NO_NODE;

use crate::{
    event::NodeMask,
    recording::{Node, Topology},
};

/// Online nodes with CPUs, memory and distances. Empty on a kernel without NUMA.
#[must_use]
pub fn topology() -> Topology {
    read(Path::new("/sys/devices/system/node"))
}

fn read(root: &Path) -> Topology {
    let list = |path: &Path| -> NodeMask {
        fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or_default()
    };
    let node = |&nid: &u32| {
        let dir = root.join(format!("node{nid}"));
        let distances = fs::read_to_string(dir.join("distance")).unwrap_or_default();
        let meminfo = fs::read_to_string(dir.join("meminfo")).unwrap_or_default();
        Node {
            nid: nid as i32,
            cpus: list(&dir.join("cpulist")).nodes().to_vec(),
            mem_bytes: total_bytes(&meminfo),
            distances: distances.split_ascii_whitespace().filter_map(|d| d.parse().ok()).collect(),
        }
    };
    Topology { nodes: list(&root.join("online")).nodes().iter().map(node).collect() }
}

/// Parses `Node 0 MemTotal:  1024 kB`.
fn total_bytes(meminfo: &str) -> u64 {
    let line = meminfo.lines().find(|line| line.contains("MemTotal:")).unwrap_or_default();
    line.split_ascii_whitespace().nth_back(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// The node of each possible CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodesOfCpus(Vec<i32>);

/// Lists of CPUs and a directory for each.
const CPUS: &str = "/sys/devices/system/cpu";

/// The CPUs that are online, as the kernel lists them.
#[must_use]
pub fn online_cpus() -> String {
    fs::read_to_string(Path::new(CPUS).join("online")).unwrap_or_default()
}

impl NodesOfCpus {
    /// Read from /sys. Offline CPUs have an entry too, since they may come online. The node of one that is not present is
    /// unknown.
    #[must_use]
    pub fn read() -> Self {
        Self::of(Path::new(CPUS), &topology())
    }

    fn of(dir: &Path, topology: &Topology) -> Self {
        let possible = fs::read_to_string(dir.join("possible")).unwrap_or_default();
        let possible: NodeMask = possible.trim().parse().unwrap_or_default();
        let known = topology.nodes.iter().flat_map(|node| &node.cpus);
        let cpus = possible.nodes().iter().chain(known).max().map_or(1, |&last| last + 1);
        // A node lists its CPUs that are online. One that is offline has a link to its node.
        let mut nodes: Vec<i32> = (0..cpus).map(|cpu| linked_node(&dir.join(format!("cpu{cpu}")))).collect();
        for node in &topology.nodes {
            node.cpus.iter().for_each(|&cpu| nodes[cpu as usize] = node.nid);
        }
        Self(nodes)
    }

    /// One more than the largest possible CPU number.
    #[must_use]
    pub fn possible_cpus(&self) -> u32 {
        self.0.len() as u32
    }

    /// CPUs with their nodes; [`NO_NODE`] if unknown.
    pub fn iter(&self) -> impl Iterator<Item = (u32, i32)> + '_ {
        (0..).zip(self.0.iter().copied())
    }
}

/// The node that a CPU's directory has a link to; [`NO_NODE`] if there is none.
fn linked_node(cpu: &Path) -> i32 {
    let mut names = fs::read_dir(cpu).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let node = names.find_map(|name| name.to_str()?.strip_prefix("node")?.parse().ok());
    node.unwrap_or(NO_NODE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offline_cpus_have_a_place() {
        let node = |nid, cpus: &[u32]| Node { nid, cpus: cpus.to_vec(), ..Node::default() };
        let topology = Topology { nodes: vec![node(0, &[0, 2]), node(3, &[1])] };
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(NodesOfCpus::of(dir.path(), &Topology::default()), NodesOfCpus(vec![NO_NODE]));
        fs::write(dir.path().join("possible"), "0-5\n").expect("written");
        // CPU 4 is present and offline.
        fs::create_dir_all(dir.path().join("cpu4/node3")).expect("made");
        fs::create_dir_all(dir.path().join("cpu5/cache")).expect("made");
        assert_eq!(NodesOfCpus::of(dir.path(), &topology), NodesOfCpus(vec![0, 3, 0, NO_NODE, 3, NO_NODE]));
    }

    #[test]
    fn nodes_are_read_with_cpus_memory_and_distances() {
        let dir = tempfile::tempdir().expect("a directory");
        let node = dir.path().join("node0");
        fs::create_dir(&node).expect("a directory");
        fs::write(dir.path().join("online"), "0\n").expect("written");
        fs::write(node.join("cpulist"), "0-1,4\n").expect("written");
        fs::write(node.join("distance"), "10 20\n").expect("written");
        fs::write(node.join("meminfo"), "Node 0 MemTotal:         1024 kB\n").expect("written");
        let expected = Node { nid: 0, cpus: vec![0, 1, 4], mem_bytes: 1 << 20, distances: vec![10, 20] };
        assert_eq!(read(dir.path()), Topology { nodes: vec![expected] });
    }
}
