//! Mappings: a record of each when a fault is first seen in it.

use migtrace_common::{
    config::ABSENT,
    counters::Probe,
    kinds::{RecordKind, RegionClass},
    record::{NO_MODE, REGION_NAME, Region},
};

use super::{Args, fault::Mapping, read_kernel};
use crate::{
    config::config,
    emit::{self, Counted},
    filter::{self, Task},
    maps::{REGIONS_SEEN, RegionKey, TaskState},
};

/// The program that counts mappings.
const REGION: Counted = Counted(Probe::Region, 0);

/// VM_HUGETLB of include/linux/mm.h: the same bit since Linux 2.6.
const VM_HUGETLB: u64 = 0x0040_0000;

const NAME_WORDS: usize = REGION_NAME / size_of::<u64>();

/// A fault happens in `vma`: records the mapping, unless it has a record already.
#[inline(always)]
pub fn seen(ctx: &impl Args, task: Task, state: &mut TaskState, vma: u64, mapping: Mapping) {
    let (start, end): (u64, u64) = (ctx.load(vma, config!(vma_start)), ctx.load(vma, config!(vma_end)));
    if state.region_start == start && state.region_end == end {
        return;
    }
    state.region_start = start;
    state.region_end = end;
    let key = RegionKey { start, pid: task.pid, pad: 0 };
    // SAFETY: copied at once.
    if REGIONS_SEEN.get_ptr(key).is_some_and(|known| unsafe { *known } == end) {
        return;
    }
    let _ = REGIONS_SEEN.insert(key, end, 0);
    record(task, vma, start, end, mapping);
}

#[inline(always)]
fn record(task: Task, vma: u64, start: u64, end: u64, mapping: Mapping) {
    if !filter::wants(RecordKind::REGION)
        || !filter::wants_here()
        || !filter::wants_addr(start)
        || !filter::wants_nowhere()
    {
        return emit::filtered(REGION);
    }
    let ts_ns = emit::now();
    let flags: u64 = read_kernel(vma, config!(vma_flags));
    let file = mapping.file;
    let inode: u64 = if !mapping.has_file { 0 } else { read_kernel(file, config!(file_inode)) };
    let dentry: u64 = if !mapping.has_file { 0 } else { read_kernel(file, config!(file_dentry)) };
    let class = class_of(vma, start, end, flags, mapping);
    let number = if inode == 0 { 0 } else { read_kernel(inode, config!(inode_number)) };
    let name: u64 = if dentry == 0 { 0 } else { read_kernel(dentry, config!(dentry_name)) };
    let mode = mode_of(vma);
    emit::commit(REGION, |record| {
        let record: *mut Region = record.as_mut_ptr();
        // SAFETY: in bounds of the reserved record, every byte of which is written; the name lies at a multiple of 8.
        unsafe {
            (*record).header = emit::header(task, RecordKind::REGION, Probe::Region, ts_ns);
            (*record).addr = start;
            (*record).len = end - start;
            (*record).flags = flags;
            (*record).inode = number;
            (*record).mode = mode;
            (*record).class = class.0;
            (*record).pad = [0; 5];
            // With what follows its end, which the collector leaves out. A name that cannot be read is empty.
            for (n, word) in (&mut *(&raw mut (*record).name).cast::<[u64; NAME_WORDS]>()).iter_mut().enumerate() {
                *word = if name == 0 { 0 } else { read_kernel(name, (n * size_of::<u64>()) as u32) };
            }
        }
    });
}

/// The mode of the mapping's own policy.
#[inline(always)]
fn mode_of(vma: u64) -> u16 {
    if config!(vma_policy) == ABSENT || config!(policy_mode) == ABSENT {
        return NO_MODE;
    }
    match read_kernel(vma, config!(vma_policy)) {
        0 => NO_MODE,
        // MPOL_DEFAULT, which is 0, is never a mapping's own.
        policy => read_kernel(policy, config!(policy_mode)),
    }
}

#[inline(always)]
fn class_of(vma: u64, start: u64, end: u64, flags: u64, mapping: Mapping) -> RegionClass {
    if flags & VM_HUGETLB != 0 {
        return RegionClass::HUGETLB;
    }
    if mapping.shmem {
        return RegionClass::SHMEM;
    }
    if mapping.has_file {
        return RegionClass::FILE;
    }
    if !mapping.anon {
        return RegionClass::OTHER;
    }
    let mm: u64 = read_kernel(vma, config!(vma_mm));
    let of_mm = |offset: u32| read_kernel::<u64>(mm, offset);
    let stack = of_mm(config!(mm_start_stack));
    if start <= stack && stack < end {
        return RegionClass::STACK;
    }
    // As /proc/PID/maps tells the heap (vma_is_initial_heap).
    if start < of_mm(config!(mm_brk)) && end > of_mm(config!(mm_start_brk)) {
        return RegionClass::HEAP;
    }
    RegionClass::ANON
}
