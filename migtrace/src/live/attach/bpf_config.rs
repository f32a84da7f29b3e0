//! Settings of the BPF programs for the running kernel: offsets from its BTF, constants from its configuration.

use std::{collections::HashMap, fs, io::Read};

use migtrace_common::config::{
    ABSENT, CGROUP_V1, Config, MigratePagesOffsets, MofCheckOffsets, MofLazyOffsets, MofMigrateOffsets,
    MofUnmapOffsets, PageFaultOffsets, SyscallEnterOffsets, SyscallExitOffsets,
};

use crate::live::host::{cgroup_hierarchy::Hierarchy, kernel::Kernel, requirements::Unsupported};

/// Addresses of the struct page array and the direct map on x86-64 without randomization, by levels of page tables
/// (Documentation/arch/x86/x86_64/mm.rst).
const CONSTANT_BASES: [(u32, u64, u64); 2] =
    [(4, 0xffff_ea00_0000_0000, 0xffff_8880_0000_0000), (5, 0xffd4_0000_0000_0000, 0xff11_0000_0000_0000)];

/// Records of trace events that were renamed: exceptions were specific to x86 up to 6.12.
const FORMER_NAMES: [(&str, &str); 1] = [("trace_event_raw_exceptions", "trace_event_raw_x86_exceptions")];

/// Settings of the programs, and fields that this kernel does not have.
#[derive(Clone, Debug)]
pub struct Offsets {
    pub config: Config,
    /// Missing fields of trace event records, by the record's structure: programs that need them must not be attached.
    lacks: HashMap<&'static str, Vec<&'static str>>,
}

impl Offsets {
    /// The missing fields of the record `of`, joined by commas.
    #[must_use]
    pub fn lacking(&self, of: &str) -> Option<String> {
        self.lacks.get(of).filter(|fields| !fields.is_empty()).map(|fields| fields.join(", "))
    }
}

/// Settings for this kernel. The caller adds which processes to trace.
///
/// # Errors
/// [`Unsupported::Btf`] if a structure that every program needs is missing.
pub fn offsets(kernel: &Kernel) -> Result<Offsets, Unsupported> {
    let missing = |of: &str, field: &str| Unsupported::Btf(format!("no field {field} in struct {of}"));
    let offset = |of: &str, field: &str| kernel.offset(of, field).ok_or_else(|| missing(of, field));
    let nested = |path: &[(&str, &str)]| {
        kernel
            .nested_offset(path)
            .ok_or_else(|| missing(path[0].0, &path.iter().map(|p| p.1).collect::<Vec<_>>().join(".")))
    };
    let optional = |of: &str, field: &str| kernel.offset(of, field).unwrap_or(ABSENT);
    let rmap_item = |field| {
        let named = |of| kernel.offset(of, field);
        named("ksm_rmap_item").or_else(|| named("rmap_item")).unwrap_or(ABSENT)
    };
    let symbol = |name: &str| kernel.symbol(name).unwrap_or(0);
    let bases = Bases::of(kernel);
    let mut regs_args = [0; 6];
    for (slot, register) in regs_args.iter_mut().zip(["di", "si", "dx", "r10", "r8", "r9"]) {
        *slot = offset("pt_regs", register)?;
    }
    let mut events = Events { kernel, lacks: HashMap::new() };
    let config = Config {
        vmemmap_base_addr: symbol("vmemmap_base"),
        vmemmap_base: bases.vmemmap,
        page_offset_base_addr: symbol("page_offset_base"),
        page_offset_base: bases.page_offset,
        shmem_vm_ops: [symbol("shmem_vm_ops"), symbol("shmem_anon_vm_ops"), symbol("shm_vm_ops")],
        sizeof_page: kernel.struct_size("page").unwrap_or(ABSENT),
        nodes_shift: nodes_shift(kernel).unwrap_or(ABSENT),
        page_table_levels: page_table_levels(),
        // A folio was a page up to 5.15.
        folio_flags: offset("folio", "flags").or_else(|_| offset("page", "flags"))?,
        pg_head: enumerator(kernel, "pageflags", "PG_head")?,
        pg_reserved: enumerator(kernel, "pageflags", "PG_reserved")?,
        page_head: optional("page", "compound_head"),
        ttu_sync: enumerator(kernel, "ttu_flags", "TTU_SYNC").unwrap_or(0),
        folio_order: folio_order(kernel),
        vma_mm: offset("vm_area_struct", "vm_mm")?,
        vma_vm_file: offset("vm_area_struct", "vm_file")?,
        vma_vm_ops: offset("vm_area_struct", "vm_ops")?,
        vma_start: offset("vm_area_struct", "vm_start")?,
        vma_end: offset("vm_area_struct", "vm_end")?,
        vma_flags: offset("vm_area_struct", "vm_flags")?,
        // Missing without CONFIG_NUMA.
        vma_policy: optional("vm_area_struct", "vm_policy"),
        policy_mode: optional("mempolicy", "mode"),
        mm_start_brk: offset("mm_struct", "start_brk")?,
        mm_brk: offset("mm_struct", "brk")?,
        mm_start_stack: offset("mm_struct", "start_stack")?,
        file_dentry: nested(&[("file", "f_path"), ("path", "dentry")])?,
        file_inode: offset("file", "f_inode")?,
        inode_number: offset("inode", "i_ino")?,
        dentry_name: nested(&[("dentry", "d_name"), ("qstr", "name")])?,
        mm_pgd: offset("mm_struct", "pgd")?,
        mm_owner: optional("mm_struct", "owner"),
        mm_users: optional("mm_struct", "mm_users"),
        vmf_orig_pte: optional("vm_fault", "orig_pte"),
        vmf_vma: optional("vm_fault", "vma"),
        rmap_item_mm: rmap_item("mm"),
        rmap_item_address: rmap_item("address"),
        collapse_succeeds: collapse_succeeds(kernel),
        userfault_mm: optional("userfaultfd_ctx", "mm"),
        pmc_old: optional("pagetable_move_control", "old"),
        pmc_old_addr: optional("pagetable_move_control", "old_addr"),
        pmc_new_addr: optional("pagetable_move_control", "new_addr"),
        pmc_len: optional("pagetable_move_control", "len_in"),
        task_pid: offset("task_struct", "pid")?,
        task_tgid: offset("task_struct", "tgid")?,
        task_comm: offset("task_struct", "comm")?,
        task_cgroup: task_cgroup(kernel, Hierarchy::of_events())?,
        css_cgroup: optional("cgroup_subsys_state", "cgroup"),
        css_parent: optional("cgroup_subsys_state", "parent"),
        // In the task itself up to 5.15.
        task_cpu: nested(&[("task_struct", "thread_info"), ("thread_info", "cpu")])
            .or_else(|_| offset("task_struct", "cpu"))?,
        task_group_leader: offset("task_struct", "group_leader")?,
        task_start: offset("task_struct", "start_boottime")?,
        task_mm: offset("task_struct", "mm")?,
        task_cred: offset("task_struct", "real_cred")?,
        cred_uid: offset("cred", "uid")?,
        task_signal: offset("task_struct", "signal")?,
        signal_live: offset("signal_struct", "live")?,
        regs_ip: offset("pt_regs", "ip")?,
        regs_args,
        mof_check: events.of("trace_event_raw_mof_check", MofCheckOffsets::resolve),
        mof_unmap: events.of("trace_event_raw_mof_unmap", MofUnmapOffsets::resolve),
        mof_migrate: events.of("trace_event_raw_mof_migrate", MofMigrateOffsets::resolve),
        mof_misplaced: enumerator(kernel, "mof_reason", "MOF_MISPLACED").unwrap_or(ABSENT),
        mof_lazy: events.of("trace_event_raw_mof_lazy", MofLazyOffsets::resolve),
        mm_migrate_pages: events.of("trace_event_raw_mm_migrate_pages", MigratePagesOffsets::resolve),
        syscall_enter: events.of("syscall_trace_enter", SyscallEnterOffsets::resolve),
        syscall_exit: events.of("syscall_trace_exit", SyscallExitOffsets::resolve),
        page_fault: events.of("trace_event_raw_exceptions", PageFaultOffsets::resolve),
        ..Config::default()
    };
    if !kernel.describes_syscall_events() {
        events.lacks.entry("syscall_trace_enter").or_default().push("args at a known place");
        events.lacks.entry("syscall_trace_exit").or_default().push("ret at a known place");
    }
    Ok(Offsets { config, lacks: events.lacks })
}

/// Looks up the records of trace events, and notes missing fields.
struct Events<'a> {
    kernel: &'a Kernel,
    lacks: HashMap<&'static str, Vec<&'static str>>,
}

impl Events<'_> {
    /// Offsets of a record; a missing field is [`ABSENT`].
    fn of<T>(&mut self, of: &'static str, resolve: fn(&mut dyn FnMut(&'static str) -> u32) -> T) -> T {
        let lacks = self.lacks.entry(of).or_default();
        let former = FORMER_NAMES.iter().find(|(now, _)| *now == of && self.kernel.struct_size(now).is_none());
        let record = former.map_or(of, |(_, former)| former);
        resolve(&mut |field| {
            self.kernel.offset(record, field).unwrap_or_else(|| {
                lacks.push(field);
                ABSENT
            })
        })
    }
}

/// Location of a large folio's order: the low byte of its second page's flags, or up to 6.5 a separate byte.
fn folio_order(kernel: &Kernel) -> u32 {
    let second_page = || Some(kernel.struct_size("page")? + kernel.offset("page", "compound_order")?);
    let of_folio = |field: &str| kernel.offset("folio", field);
    // 6.1 to 6.5 have both: there _flags_1 holds only flags.
    of_folio("_folio_order").or_else(|| of_folio("_flags_1")).or_else(second_page).unwrap_or(ABSENT)
}

/// The way from a task to the id of its cgroup in this hierarchy, as in [`Config::task_cgroup`].
fn task_cgroup(kernel: &Kernel, hierarchy: Option<Hierarchy>) -> Result<[u32; 4], Unsupported> {
    let optional = |of, field| kernel.offset(of, field).unwrap_or(ABSENT);
    let [sets, node, id] =
        [("task_struct", "cgroups"), ("cgroup", "kn"), ("kernfs_node", "id")].map(|(of, field)| optional(of, field));
    let Some(Hierarchy::V1(controller)) = hierarchy else {
        let path = [sets, optional("css_set", "dfl_cgrp"), node, id];
        return Ok(if path.contains(&ABSENT) { [ABSENT; 4] } else { path });
    };
    let subsystems = optional("css_set", "subsys");
    let needed = [sets, subsystems, optional("cgroup_subsys_state", "cgroup"), node, id];
    if needed.contains(&ABSENT) {
        return Err(Unsupported::Btf(format!("it does not describe the way from a task to its cgroup ({controller})")));
    }
    let number = enumerator(kernel, "cgroup_subsys_id", &format!("{controller}_cgrp_id"))?;
    Ok([sets, CGROUP_V1 | (subsystems + number * size_of::<u64>() as u32), node, id])
}

fn enumerator(kernel: &Kernel, of: &str, name: &str) -> Result<u32, Unsupported> {
    let found = kernel.enumerators(of).into_iter().find(|(n, _)| n == name);
    found.map(|(_, value)| value as u32).ok_or_else(|| Unsupported::Btf(format!("no {name} in enum {of}")))
}

/// What a collapse returns if it made a huge page; [`ABSENT`] if it returns nothing, before Linux 6.0.
fn collapse_succeeds(kernel: &Kernel) -> u32 {
    let returns = ["collapse_huge_page", "hpage_collapse_scan_pmd"].iter().find_map(|name| kernel.returns_value(name));
    match returns {
        Some(true) => enumerator(kernel, "scan_result", "SCAN_SUCCEED").unwrap_or(ABSENT),
        _ => ABSENT,
    }
}

/// Constants used if this kernel has no such variable; 0 if it may have one but hides it.
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

/// 5 if the kernel uses five levels: it shows the CPU flag only then.
fn page_table_levels() -> u32 {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = cpuinfo.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    if flags.split_ascii_whitespace().any(|flag| flag == "la57") { 5 } else { 4 }
}

/// Bits of a node id in page flags (CONFIG_NODES_SHIFT). Read from kernel structures with an array element per possible
/// node, else from the kernel configuration. `None` if neither has it.
fn nodes_shift(kernel: &Kernel) -> Option<u32> {
    const BY_NODE: [(&str, &str); 2] = [("kmem_cache", "node"), ("hstate", "hugepage_freelists")];
    let nodes = BY_NODE.iter().find_map(|(of, field)| kernel.array_len(of, field)).filter(|n| n.is_power_of_two());
    nodes.map(usize::ilog2).or_else(|| parse_nodes_shift(&kernel_config(&kernel.release)?))
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
