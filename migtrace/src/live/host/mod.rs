//! Facts of this machine that BPF programs do not report: kernel, nodes, cgroups, /proc/vmstat.

pub mod cgroup_hierarchy;
pub mod cgroups;
pub mod hypervisor;
pub mod kernel;
pub mod nodes;
pub mod numa_maps;
pub mod requirements;
pub mod stranded_pages;
pub mod topology;
pub mod tracefs;
pub mod vmstat;
