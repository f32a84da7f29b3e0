//! The machine's nodes, from /sys/devices/system/node.

use std::{fs, path::Path};

use crate::{
    event::NodeMask,
    trace::meta::{Node, Topology},
};

/// The nodes that are online, with CPUs, memory and distances. Empty where the kernel has no NUMA.
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

/// `Node 0 MemTotal:  1024 kB`.
fn total_bytes(meminfo: &str) -> u64 {
    let line = meminfo.lines().find(|line| line.contains("MemTotal:")).unwrap_or_default();
    line.split_ascii_whitespace().nth_back(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

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
