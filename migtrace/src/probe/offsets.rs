//! The settings of the BPF programs for the running kernel: offsets from its BTF, constants from its configuration.

use std::{fs, io::Read};

use migtrace_common::config::{
    ABSENT, Config, MigratePagesOffsets, MofCheckOffsets, MofLazyOffsets, MofMigrateOffsets, MofUnmapOffsets,
};

use super::{kernel::Kernel, support::Unsupported};

/// Where x86-64 puts struct page's array and the direct map when they are not randomized, by levels of page tables
/// (Documentation/arch/x86/x86_64/mm.rst).
const CONSTANT_BASES: [(u32, u64, u64); 2] =
    [(4, 0xffff_ea00_0000_0000, 0xffff_8880_0000_0000), (5, 0xffd4_0000_0000_0000, 0xff11_0000_0000_0000)];

/// The settings for this kernel. Who is traced is the caller's to add.
///
/// # Errors
/// [`Unsupported::Btf`] where a structure that every program needs is not there.
pub fn config(kernel: &Kernel) -> Result<Config, Unsupported> {
    let offset = |of: &'static str, field: &'static str| {
        kernel.offset(of, field).ok_or_else(|| Unsupported::Btf(format!("it has no {field} in struct {of}")))
    };
    let optional = |of: &str, field: &str| kernel.offset(of, field).unwrap_or(ABSENT);
    let symbol = |name: &str| kernel.symbol(name).unwrap_or(0);
    let bases = Bases::of(kernel);
    let mut regs_args = [0; 6];
    for (slot, register) in regs_args.iter_mut().zip(["di", "si", "dx", "r10", "r8", "r9"]) {
        *slot = offset("pt_regs", register)?;
    }
    Ok(Config {
        vmemmap_base_addr: symbol("vmemmap_base"),
        vmemmap_base: bases.vmemmap,
        page_offset_base_addr: symbol("page_offset_base"),
        page_offset_base: bases.page_offset,
        shmem_vm_ops: [symbol("shmem_vm_ops"), symbol("shmem_anon_vm_ops"), symbol("shm_vm_ops")],
        sizeof_page: kernel.struct_size("page").unwrap_or(ABSENT),
        nodes_shift: nodes_shift(&kernel.release).unwrap_or(ABSENT),
        page_table_levels: page_table_levels(),
        folio_flags: offset("folio", "flags")?,
        pg_head: enumerator(kernel, "pageflags", "PG_head")?,
        folio_order: kernel.offset("folio", "_flags_1").unwrap_or_else(|| optional("folio", "_folio_order")),
        vma_mm: offset("vm_area_struct", "vm_mm")?,
        vma_vm_file: offset("vm_area_struct", "vm_file")?,
        vma_vm_ops: offset("vm_area_struct", "vm_ops")?,
        mm_pgd: offset("mm_struct", "pgd")?,
        task_pid: offset("task_struct", "pid")?,
        task_tgid: offset("task_struct", "tgid")?,
        task_signal: offset("task_struct", "signal")?,
        signal_live: offset("signal_struct", "live")?,
        regs_ip: offset("pt_regs", "ip")?,
        regs_args,
        mof_check: event(kernel, "trace_event_raw_mof_check", MofCheckOffsets::resolve),
        mof_unmap: event(kernel, "trace_event_raw_mof_unmap", MofUnmapOffsets::resolve),
        mof_migrate: event(kernel, "trace_event_raw_mof_migrate", MofMigrateOffsets::resolve),
        mof_lazy: event(kernel, "trace_event_raw_mof_lazy", MofLazyOffsets::resolve),
        mm_migrate_pages: event(kernel, "trace_event_raw_mm_migrate_pages", MigratePagesOffsets::resolve),
        ..Config::default()
    })
}

/// A trace event's offsets; a field that it does not have is [`ABSENT`].
fn event<T>(kernel: &Kernel, of: &str, resolve: fn(&mut dyn FnMut(&'static str) -> u32) -> T) -> T {
    resolve(&mut |field| kernel.offset(of, field).unwrap_or(ABSENT))
}

fn enumerator(kernel: &Kernel, of: &str, name: &str) -> Result<u32, Unsupported> {
    let found = kernel.enumerators(of).into_iter().find(|(n, _)| n == name);
    found.map(|(_, value)| value as u32).ok_or_else(|| Unsupported::Btf(format!("it has no {name} in enum {of}")))
}

/// The constants that stand where this kernel has no variable; 0 where it may have one but hides it.
struct Bases {
    vmemmap: u64,
    page_offset: u64,
}

impl Bases {
    fn of(kernel: &Kernel) -> Self {
        let levels = page_table_levels();
        let constants = CONSTANT_BASES.iter().find(|(l, ..)| *l == levels).filter(|_| kernel.shows_addresses());
        constants
            .map_or(Self { vmemmap: 0, page_offset: 0 }, |&(_, vmemmap, page_offset)| Self { vmemmap, page_offset })
    }
}

/// 5 where the kernel uses five levels: it shows the CPU's flag only then.
fn page_table_levels() -> u32 {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = cpuinfo.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    if flags.split_ascii_whitespace().any(|flag| flag == "la57") { 5 } else { 4 }
}

/// CONFIG_NODES_SHIFT of the running kernel: bits of a node id in page flags. 0 without NUMA, `None` where no
/// configuration is to be found.
fn nodes_shift(release: &str) -> Option<u32> {
    parse_nodes_shift(&kernel_config(release)?)
}

fn kernel_config(release: &str) -> Option<String> {
    let mut text = String::new();
    if let Ok(packed) = fs::File::open("/proc/config.gz") {
        return flate2::read::GzDecoder::new(packed).read_to_string(&mut text).is_ok().then_some(text);
    }
    let files = [format!("/boot/config-{release}"), format!("/lib/modules/{release}/config")];
    files.iter().find_map(|file| fs::read_to_string(file).ok())
}

fn parse_nodes_shift(config: &str) -> Option<u32> {
    if config.contains("# CONFIG_NUMA is not set") {
        return Some(0);
    }
    let value = config.lines().find_map(|line| line.strip_prefix("CONFIG_NODES_SHIFT="));
    value.and_then(|shift| shift.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_width_of_a_node_id_is_never_guessed() {
        assert_eq!(parse_nodes_shift("CONFIG_NUMA=y\nCONFIG_NODES_SHIFT=6\n"), Some(6));
        assert_eq!(parse_nodes_shift("# CONFIG_NUMA is not set\n"), Some(0));
        assert_eq!(parse_nodes_shift(""), None);
    }
}
