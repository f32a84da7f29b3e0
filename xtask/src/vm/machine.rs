//! The emulated machine's nodes, processors and memory, and QEMU's arguments for them.

use std::collections::BTreeSet;

use anyhow::Result;
use clap::Args;
use xtask_common::exit::Failure;

use super::plug;

const MIB: u64 = 1 << 20;
/// Linux manages memory in sections of 128 MiB, so a node's size is a multiple of that.
const SECTION: u64 = 128 * MIB;

/// The machine's size, and its division into nodes.
#[derive(Args, Clone, Debug)]
pub(crate) struct Machine {
    /// NUMA nodes
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub(crate) nodes: u32,
    /// Total number of CPUs, spread over the nodes; with fewer CPUs than nodes, the last nodes have memory only
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub(crate) cpus: u32,
    /// Total memory, divided equally among the nodes: 4G, 1536M
    #[arg(long, value_name = "SIZE", default_value = "4G", value_parser = size)]
    pub(crate) mem: u64,
    /// Size of an additional node with memory only that is slow according to the firmware's table (ACPI HMAT): 256M.
    /// Linux 6.12 puts it into a lower tier
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) slow: Option<u64>,
    /// Memory that can be plugged into an additional last node, which has neither memory nor CPUs at boot: 256M. A line
    /// "memory" or "cpu" to the port migtrace.plug in the guest plugs it, or a CPU
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) hot_add: Option<u64>,
    /// Number of possible CPUs, if more than --cpus. The others are empty sockets of the last node with CPUs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=255))]
    pub(crate) possible_cpus: Option<u32>,
    /// Nodes without CPUs, such as 1,3
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) no_cpus: Vec<u32>,
    /// Nodes without memory; --mem is divided among the others
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) no_mem: Vec<u32>,
    /// Nodes that stay offline: they have no CPUs, and the kernel ignores their memory (`memmap=`). Linux numbers nodes
    /// with CPUs first, so node numbers have a gap only if a later node has no CPUs either: --offline 1 --no-cpus 2
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) offline: Vec<u32>,
}

impl Default for Machine {
    /// Returns the defaults of the options.
    fn default() -> Machine {
        Machine {
            nodes: 4,
            cpus: 4,
            mem: 4 << 30,
            slow: None,
            hot_add: None,
            possible_cpus: None,
            no_cpus: Vec::new(),
            no_mem: Vec::new(),
            offline: Vec::new(),
        }
    }
}

/// Parses a size such as `4G`, `512M` or `65536K` to bytes. A plain number is in MiB, as for QEMU.
fn size(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.trim_end_matches(['i', 'B']).strip_suffix(['K', 'k', 'M', 'm', 'G', 'g']) {
        Some(digits) => (digits, text.as_bytes()[digits.len()].to_ascii_uppercase()),
        None => (text, b'M'),
    };
    let shift = match unit {
        b'K' => 10,
        b'M' => 20,
        _ => 30,
    };
    let count: u64 = digits.parse().map_err(|_| "write a number and K, M or G, as in 4G".to_owned())?;
    count.checked_mul(1 << shift).ok_or_else(|| "too large: a size must be less than 2^64 bytes".to_owned())
}

impl Machine {
    /// Returns QEMU's arguments for this machine.
    pub(crate) fn arguments(&self) -> Result<Vec<String>> {
        let node_bytes = self.node_bytes()?;
        let slow_bytes = self.slow.map_or(0, |bytes| bytes.next_multiple_of(SECTION));
        let all_bytes = node_bytes * self.memory_nodes().count() as u64 + slow_bytes;
        let hot_node = self.hot_node();
        let pluggable =
            hot_node.map_or(String::new(), |node| format!(",slots=1,maxmem={}M", (all_bytes + node.bytes) / MIB));
        let mut arguments = vec!["-m".to_owned(), format!("{}M{pluggable}", all_bytes / MIB)];
        arguments.extend(["-smp".to_owned(), self.topology()]);
        for (node, cpus) in (0..).zip(self.cpus_of_nodes()?) {
            let mut numa = format!("node,nodeid={node}");
            if !self.no_mem.contains(&node) {
                let backend = format!("memory-backend-ram,id=node{node},size={}M", node_bytes / MIB);
                arguments.extend(["-object".to_owned(), backend]);
                numa += &format!(",memdev=node{node}");
            }
            arguments.extend(["-numa".to_owned(), numa + &cpus]);
        }
        if slow_bytes > 0 {
            arguments.extend(self.slow_node(slow_bytes));
        }
        if let Some(node) = hot_node {
            // Linux can only bring a node online that the firmware's tables have. QEMU lists the address range for plugged
            // memory there, with the last node.
            let numa = format!("node,nodeid={},cpus={}", node.nid, self.sockets_at_boot());
            arguments.extend(["-numa".to_owned(), numa]);
        }
        Ok(arguments)
    }

    /// Returns the node that has neither memory nor CPUs at boot, if there is one.
    pub(super) fn hot_node(&self) -> Option<plug::Node> {
        let nid = self.nodes + u32::from(self.slow.is_some());
        self.hot_add.map(|bytes| plug::Node { nid, bytes: bytes.next_multiple_of(SECTION) })
    }

    /// Returns the number of sockets without the one of the node that is plugged later.
    fn sockets_at_boot(&self) -> u32 {
        self.possible_cpus.unwrap_or(self.cpus).max(self.cpus)
    }

    /// Returns the words for the kernel's command line that keep nodes offline.
    pub(crate) fn kernel_arguments(&self) -> Result<String> {
        // QEMU's q35 has memory at 0 up to this address, and the rest from 4 GiB on (pc_q35_init()).
        const LOW: u64 = 2 << 30;
        const HIGH: u64 = 4 << 30;
        let bytes = self.node_bytes()?;
        let mut words = String::new();
        for (place, _) in (0..).zip(self.memory_nodes()).filter(|(_, node)| self.offline.contains(node)) {
            let (start, end) = (place * bytes, (place + 1) * bytes);
            let low = (start.min(LOW), end.min(LOW));
            let high = (start.max(LOW) - LOW + HIGH, end.max(LOW) - LOW + HIGH);
            for (start, end) in [low, high].into_iter().filter(|(start, end)| start < end) {
                words += &format!(" memmap={:#x}${start:#x}", end - start);
            }
        }
        Ok(words)
    }

    /// Returns the nodes with memory.
    fn memory_nodes(&self) -> impl Iterator<Item = u32> {
        (0..self.nodes).filter(|node| !self.no_mem.contains(node))
    }

    /// Returns the size of each node with memory.
    fn node_bytes(&self) -> Result<u64> {
        let count = self.memory_nodes().count() as u64;
        let bytes = self.mem.checked_div(count).unwrap_or(0) / SECTION * SECTION;
        if bytes == 0 {
            let least = count.max(1) * SECTION / MIB;
            return Err(Failure::Usage(format!("--mem: {count} nodes with memory need at least {least}M")).into());
        }
        Ok(bytes)
    }

    /// Returns the sockets: one per node, or one per CPU if the CPUs cannot be divided equally. The kernel warns about
    /// other topologies.
    fn topology(&self) -> String {
        let plain = self.no_cpus.is_empty()
            && self.offline.is_empty()
            && self.possible_cpus.is_none()
            && self.hot_add.is_none();
        let possible = self.sockets_at_boot() + u32::from(self.hot_add.is_some());
        let sockets = if plain && self.cpus.is_multiple_of(self.nodes) { self.nodes } else { possible };
        let maximum = if possible > self.cpus { format!(",maxcpus={possible}") } else { String::new() };
        format!("{},sockets={sockets},cores={},threads=1{maximum}", self.cpus, possible / sockets)
    }

    /// Returns the arguments for a last node with memory only. They include latency and bandwidth from each node with
    /// CPUs to each node.
    fn slow_node(&self, bytes: u64) -> Vec<String> {
        let slow = self.nodes;
        let mut arguments = ["-machine", "hmat=on", "-object"].map(str::to_owned).to_vec();
        arguments.push(format!("memory-backend-ram,id=node{slow},size={}M", bytes / MIB));
        let mut numa = vec![format!("node,nodeid={slow},memdev=node{slow},initiator=0")];
        for initiator in 0..self.nodes.min(self.cpus) {
            for target in 0..=slow {
                let (latency, bandwidth) = match target {
                    _ if target == initiator => (10, "10G"),
                    _ if target == slow => (100, "1G"),
                    _ => (20, "5G"),
                };
                let pair = format!("hmat-lb,initiator={initiator},target={target},hierarchy=memory");
                numa.push(format!("{pair},data-type=access-latency,latency={latency}"));
                numa.push(format!("{pair},data-type=access-bandwidth,bandwidth={bandwidth}"));
            }
        }
        arguments.extend(numa.into_iter().flat_map(|numa| ["-numa".to_owned(), numa]));
        arguments
    }

    /// Returns the CPUs of each node, as an option of `-numa node`.
    fn cpus_of_nodes(&self) -> Result<Vec<String>> {
        let without: BTreeSet<u32> = self.no_cpus.iter().chain(&self.offline).copied().collect();
        let with: Vec<u32> = (0..self.nodes).filter(|node| !without.contains(node)).collect();
        let Some(&last) = with.last() else {
            return Err(Failure::Usage("--no-cpus, --offline: no node is left for the CPUs".to_owned()).into());
        };
        let nodes = with.len() as u32;
        let (least, extra) = (self.cpus / nodes, self.cpus % nodes);
        let empty_sockets = self.possible_cpus.unwrap_or(0).saturating_sub(self.cpus);
        let mut first = 0;
        let mut cpus = vec![String::new(); self.nodes as usize];
        for (place, node) in (0..).zip(with) {
            let present = least + u32::from(place < extra);
            let count = present + if node == last { empty_sockets } else { 0 };
            let end = first + count;
            cpus[node as usize] = match count {
                0 => String::new(),
                1 => format!(",cpus={first}"),
                _ => format!(",cpus={first}-{}", end - 1),
            };
            first = end;
        }
        Ok(cpus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(nodes: u32, cpus: u32, mem: u64) -> Machine {
        Machine { nodes, cpus, mem, ..Machine::default() }
    }

    #[test]
    fn the_default_machine_matches_the_options() {
        #[derive(clap::Parser)]
        struct Options {
            #[command(flatten)]
            machine: Machine,
        }
        let parsed = <Options as clap::Parser>::parse_from(["vm"]).machine;
        let default = Machine::default();
        let shape = |machine: Machine| {
            let odd = [machine.no_cpus, machine.no_mem, machine.offline];
            let later = (machine.hot_add, machine.possible_cpus);
            (machine.nodes, machine.cpus, machine.mem, machine.slow, later, odd)
        };
        assert_eq!(shape(parsed), shape(default));
    }

    #[test]
    fn sizes_are_read_with_their_units() {
        assert_eq!(size("4G"), Ok(4 << 30));
        assert_eq!(size("1536m"), Ok(1536 << 20));
        assert_eq!(size("2GiB"), Ok(2 << 30));
        assert_eq!(size("512"), Ok(512 << 20));
        assert!(size("4T").is_err() && size("G").is_err() && size("").is_err() && size("-1G").is_err());
        assert!(size("99999999999999999G").is_err());
    }

    #[test]
    fn the_default_machine_has_a_socket_per_node() {
        let arguments = machine(4, 4, 4 << 30).arguments().expect("fits").join(" ");
        assert!(arguments.starts_with("-m 4096M -smp 4,sockets=4,cores=1,threads=1 "), "{arguments}");
        assert!(arguments.contains("-object memory-backend-ram,id=node3,size=1024M"), "{arguments}");
        assert!(arguments.ends_with("-numa node,nodeid=3,memdev=node3,cpus=3"), "{arguments}");
    }

    #[test]
    fn a_slow_node_comes_last_and_has_memory_only() {
        let arguments =
            Machine { slow: Some(100 << 20), ..machine(2, 2, 1 << 30) }.arguments().expect("fits").join(" ");
        assert!(arguments.starts_with("-m 1152M "), "{arguments}");
        assert!(
            arguments.contains("memory-backend-ram,id=node2,size=128M -numa node,nodeid=2,memdev=node2,initiator=0")
        );
        let latency =
            |target| format!("initiator=1,target={target},hierarchy=memory,data-type=access-latency,latency=");
        for (target, ns) in [(0, 20), (1, 10), (2, 100)] {
            assert!(arguments.contains(&format!("{}{ns}", latency(target))), "{arguments}");
        }
    }

    #[test]
    fn processors_are_spread_evenly() {
        let cpus = |machine: Machine| machine.cpus_of_nodes().expect("a node with CPUs");
        assert_eq!(cpus(machine(2, 8, 1 << 30)), [",cpus=0-3", ",cpus=4-7"]);
        assert_eq!(cpus(machine(4, 6, 1 << 30)), [",cpus=0-1", ",cpus=2-3", ",cpus=4", ",cpus=5"]);
        assert_eq!(cpus(machine(3, 1, 1 << 30)), [",cpus=0", "", ""]);
        assert_eq!(cpus(Machine { no_cpus: vec![0], ..machine(3, 2, 1 << 30) }), ["", ",cpus=0", ",cpus=1"]);
        assert!(Machine { no_cpus: vec![0, 1], ..machine(2, 2, 1 << 30) }.cpus_of_nodes().is_err());
    }

    #[test]
    fn possible_cpus_are_empty_sockets_of_the_last_node() {
        let machine = Machine { possible_cpus: Some(8), ..machine(2, 4, 1 << 30) };
        assert_eq!(machine.topology(), "4,sockets=8,cores=1,threads=1,maxcpus=8");
        assert_eq!(machine.cpus_of_nodes().expect("a node with CPUs"), [",cpus=0-1", ",cpus=2-7"]);
    }

    #[test]
    fn a_node_can_have_no_memory_or_stay_offline() {
        let odd = Machine { no_mem: vec![1], offline: vec![2], ..machine(4, 2, 3 << 30) };
        let arguments = odd.arguments().expect("fits").join(" ");
        assert!(arguments.contains("-numa node,nodeid=1,cpus=1 -object"), "{arguments}");
        assert!(arguments.contains("-numa node,nodeid=2,memdev=node2 -object"), "{arguments}");
        assert_eq!(odd.kernel_arguments().expect("fits"), " memmap=0x40000000$0x40000000");
        let high = Machine { offline: vec![3], ..machine(4, 2, 4 << 30) };
        assert_eq!(high.kernel_arguments().expect("fits"), " memmap=0x40000000$0x140000000");
        assert_eq!(Machine::default().kernel_arguments().expect("fits"), "");
    }

    #[test]
    fn a_node_to_plug_in_comes_last_and_has_an_empty_socket() {
        let machine = Machine { slow: Some(128 << 20), hot_add: Some(200 << 20), ..machine(4, 4, 4 << 30) };
        let arguments = machine.arguments().expect("fits").join(" ");
        let sizes = "-m 4224M,slots=1,maxmem=4480M -smp 4,sockets=5,cores=1,threads=1,maxcpus=5 ";
        assert!(arguments.starts_with(sizes), "{arguments}");
        assert!(arguments.ends_with(" -numa node,nodeid=5,cpus=4"), "{arguments}");
        assert_eq!(machine.hot_node().map(|node| (node.nid, node.bytes)), Some((5, 256 << 20)));
    }

    #[test]
    fn memory_is_divided_into_whole_sections() {
        assert!(machine(4, 4, 256 << 20).arguments().is_err());
        let arguments = machine(3, 3, 1 << 30).arguments().expect("fits");
        assert_eq!(arguments[1], "768M");
    }
}
