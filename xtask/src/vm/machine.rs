//! The emulated machine's nodes, processors and memory, and QEMU's arguments for them.

use anyhow::Result;
use clap::Args;
use xtask_common::exit::Failure;

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
}

impl Default for Machine {
    /// Returns the defaults of the options.
    fn default() -> Machine {
        Machine { nodes: 4, cpus: 4, mem: 4 << 30, slow: None }
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
        let node_bytes = self.mem / u64::from(self.nodes) / SECTION * SECTION;
        if node_bytes == 0 {
            let least = u64::from(self.nodes) * SECTION / MIB;
            return Err(Failure::Usage(format!("--mem: {} nodes need at least {least}M", self.nodes)).into());
        }
        let slow_bytes = self.slow.map_or(0, |bytes| bytes.next_multiple_of(SECTION));
        let all_bytes = node_bytes * u64::from(self.nodes) + slow_bytes;
        let mut arguments = vec!["-m".to_owned(), format!("{}M", all_bytes / MIB)];
        // One socket per node, or one per CPU if the CPUs cannot be divided equally. The kernel warns about other
        // topologies.
        let sockets = if self.cpus.is_multiple_of(self.nodes) { self.nodes } else { self.cpus };
        let cores = self.cpus / sockets;
        arguments.extend(["-smp".to_owned(), format!("{},sockets={sockets},cores={cores},threads=1", self.cpus)]);
        for (node, cpus) in self.cpus_of_nodes().into_iter().enumerate() {
            arguments.extend([
                "-object".to_owned(),
                format!("memory-backend-ram,id=node{node},size={}M", node_bytes / MIB),
                "-numa".to_owned(),
                format!("node,nodeid={node},memdev=node{node}{cpus}"),
            ]);
        }
        if slow_bytes > 0 {
            arguments.extend(self.slow_node(slow_bytes));
        }
        Ok(arguments)
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
    fn cpus_of_nodes(&self) -> Vec<String> {
        let (least, extra) = (self.cpus / self.nodes, self.cpus % self.nodes);
        let mut first = 0;
        let node_cpus = |node| {
            let count = least + u32::from(node < extra);
            let start = first;
            first += count;
            match count {
                0 => String::new(),
                1 => format!(",cpus={start}"),
                _ => format!(",cpus={start}-{}", first - 1),
            }
        };
        (0..self.nodes).map(node_cpus).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(nodes: u32, cpus: u32, mem: u64) -> Machine {
        Machine { nodes, cpus, mem, slow: None }
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
        let shape = |machine: Machine| (machine.nodes, machine.cpus, machine.mem, machine.slow);
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
        assert_eq!(machine(2, 8, 1 << 30).cpus_of_nodes(), [",cpus=0-3", ",cpus=4-7"]);
        assert_eq!(machine(4, 6, 1 << 30).cpus_of_nodes(), [",cpus=0-1", ",cpus=2-3", ",cpus=4", ",cpus=5"]);
        assert_eq!(machine(3, 1, 1 << 30).cpus_of_nodes(), [",cpus=0", "", ""]);
    }

    #[test]
    fn memory_is_divided_into_whole_sections() {
        assert!(machine(4, 4, 256 << 20).arguments().is_err());
        let arguments = machine(3, 3, 1 << 30).arguments().expect("fits");
        assert_eq!(arguments[1], "768M");
    }
}
