//! Mappings (VMAs): what a fault is in, and a record of each mapping at the first fault in it.

use migtrace_common::{
    config::ABSENT,
    counters::Probe,
    kinds::{FaultClass, RecordKind, RegionClass},
    record::{NO_MODE, REGION_NAME, Region},
};

use super::args::Args;
use crate::{
    account::Program,
    config::config,
    emit, filter,
    kernel_memory::read_kernel,
    maps::{MAPPINGS_SEEN, MappingKey},
    state::ThreadState,
    thread::{self, Thread},
};

/// The program that counts mappings.
const MAPPING: Program = Program::new(Probe::Region, 0);

/// VM_HUGETLB of include/linux/mm.h: the same bit since Linux 2.6.
const VM_HUGETLB: u64 = 0x0040_0000;

const NAME_WORDS: usize = REGION_NAME / size_of::<u64>();

/// What a mapping maps.
#[derive(Clone, Copy)]
pub struct Mapping {
    anon: bool,
    shmem: bool,
    has_file: bool,
    /// The file's struct.
    file: u64,
}

impl Mapping {
    /// The mapping of `vma`.
    #[inline(always)]
    pub fn of(ctx: &impl Args, vma: u64) -> Self {
        let ops: u64 = ctx.load(vma, config!(vma_vm_ops));
        // Compared on its own. The compiler would join tests of two pointers, and the verifier allows no arithmetic
        // with a pointer ("bitwise operator |= on pointer prohibited").
        let anon = opaque(ops == 0);
        let file: u64 = if anon { 0 } else { ctx.load(vma, config!(vma_vm_file)) };
        let is_shmem =
            || ops == config!(shmem_vm_ops[0]) || ops == config!(shmem_vm_ops[1]) || ops == config!(shmem_vm_ops[2]);
        Self { anon, shmem: !anon && is_shmem(), has_file: opaque(file != 0), file }
    }

    /// The class of a fault in it, unless a function that handles the fault shows a more specific one.
    #[inline(always)]
    pub fn fault_class(self) -> FaultClass {
        if self.anon {
            FaultClass::ANON
        } else if self.shmem {
            FaultClass::SHMEM
        } else if self.has_file {
            FaultClass::FILE
        } else {
            FaultClass::OTHER
        }
    }

    /// The class of the mapping itself.
    #[inline(always)]
    fn class(self, vma: u64, start: u64, end: u64, flags: u64) -> RegionClass {
        if flags & VM_HUGETLB != 0 {
            return RegionClass::HUGETLB;
        }
        if self.shmem {
            return RegionClass::SHMEM;
        }
        if self.has_file {
            return RegionClass::FILE;
        }
        if !self.anon {
            return RegionClass::OTHER;
        }
        let mm: u64 = read_kernel(vma, config!(vma_mm));
        let of_mm = |offset: u32| read_kernel::<u64>(mm, offset);
        let stack = of_mm(config!(mm_start_stack));
        if start <= stack && stack < end {
            return RegionClass::STACK;
        }
        // The rule by which /proc/PID/maps shows the heap (vma_is_initial_heap).
        if start < of_mm(config!(mm_brk)) && end > of_mm(config!(mm_start_brk)) {
            return RegionClass::HEAP;
        }
        RegionClass::ANON
    }
}

/// Hides from the compiler where `value` comes from.
#[inline(always)]
fn opaque(value: bool) -> bool {
    // SAFETY: reads a local variable.
    unsafe { core::ptr::read_volatile(&raw const value) }
}

/// A fault happens in `vma`: makes the mapping's record, unless it has one already.
#[inline(always)]
pub fn see(ctx: &impl Args, thread: Thread, state: &mut ThreadState, vma: u64, mapping: Mapping) {
    let (start, end): (u64, u64) = (ctx.load(vma, config!(vma_start)), ctx.load(vma, config!(vma_end)));
    if state.mapping_start == start && state.mapping_end == end {
        return;
    }
    state.mapping_start = start;
    state.mapping_end = end;
    let key = MappingKey { start, pid: thread.pid, pad: 0 };
    // SAFETY: copied at once.
    if MAPPINGS_SEEN.get_ptr(key).is_some_and(|known| unsafe { *known } == end) {
        return;
    }
    let _ = MAPPINGS_SEEN.insert(key, end, 0);
    record(thread, vma, start, end, mapping);
}

#[inline(always)]
fn record(thread: Thread, vma: u64, start: u64, end: u64, mapping: Mapping) {
    if !filter::wants(RecordKind::REGION)
        || !filter::wants_here()
        || !filter::wants_addr(start)
        || !filter::wants_without_page()
    {
        return MAPPING.filtered();
    }
    let ts_ns = thread::now();
    let flags: u64 = read_kernel(vma, config!(vma_flags));
    let file = mapping.file;
    let inode: u64 = if !mapping.has_file { 0 } else { read_kernel(file, config!(file_inode)) };
    let dentry: u64 = if !mapping.has_file { 0 } else { read_kernel(file, config!(file_dentry)) };
    let class = mapping.class(vma, start, end, flags);
    let number = if inode == 0 { 0 } else { read_kernel(inode, config!(inode_number)) };
    let name: u64 = if dentry == 0 { 0 } else { read_kernel(dentry, config!(dentry_name)) };
    let mode = policy_mode(vma);
    emit::commit(MAPPING, |record| {
        let record: *mut Region = record.as_mut_ptr();
        // SAFETY: in bounds of the reserved record, every byte of which is written; the name is at a multiple of 8.
        unsafe {
            (*record).header = emit::header::<Region>(thread, Probe::Region, ts_ns);
            (*record).addr = start;
            (*record).len = end - start;
            (*record).flags = flags;
            (*record).inode = number;
            (*record).mode = mode;
            (*record).class = class.0;
            (*record).pad = [0; 5];
            // With the bytes after the name's end, which the collector discards. A name that cannot be read is empty.
            for (n, word) in (&mut *(&raw mut (*record).name).cast::<[u64; NAME_WORDS]>()).iter_mut().enumerate() {
                *word = if name == 0 { 0 } else { read_kernel(name, (n * size_of::<u64>()) as u32) };
            }
        }
    });
}

/// The mode of the mapping's own mempolicy.
#[inline(always)]
fn policy_mode(vma: u64) -> u16 {
    if config!(vma_policy) == ABSENT || config!(policy_mode) == ABSENT {
        return NO_MODE;
    }
    match read_kernel(vma, config!(vma_policy)) {
        0 => NO_MODE,
        // MPOL_DEFAULT, which is 0, is never a mapping's own.
        policy => read_kernel(policy, config!(policy_mode)),
    }
}
