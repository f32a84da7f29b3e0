//! Task storage: a map that belongs to threads. A lookup takes a few ns and no hashing; the kernel frees an entry when
//! its thread ends.
//!
//! aya-ebpf 0.2 has such maps for sockets, inodes and cgroups, but not for tasks.

use core::{marker::PhantomData, ptr};

use aya_ebpf::{
    bindings::{BPF_F_NO_PREALLOC, BPF_LOCAL_STORAGE_GET_F_CREATE, bpf_map_type::BPF_MAP_TYPE_TASK_STORAGE},
    helpers::generated::{bpf_get_current_task_btf, bpf_task_storage_get},
};

/// The definition that loaders read from the object's BTF: each number is the length of the array behind a pointer.
#[repr(C)]
pub struct TaskStorage<T> {
    r#type: *const [i32; BPF_MAP_TYPE_TASK_STORAGE as usize],
    key: *const i32,
    value: *const T,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; BPF_F_NO_PREALLOC as usize],
    owns: PhantomData<T>,
}

// SAFETY: the fields are placeholders for the loader and never dereferenced; the kernel serializes access to the map.
unsafe impl<T> Sync for TaskStorage<T> {}

impl<T> TaskStorage<T> {
    /// A placeholder that the loader replaces.
    pub const fn new() -> Self {
        Self {
            r#type: ptr::null(),
            key: ptr::null(),
            value: ptr::null(),
            max_entries: ptr::null(),
            map_flags: ptr::null(),
            owns: PhantomData,
        }
    }

    /// The running thread's entry, if it has one.
    #[inline(always)]
    pub fn of_current(&self) -> Option<&'static mut T> {
        self.get(0)
    }

    /// The running thread's entry, created with zeroes if it has none; `None` if the kernel has no memory for it.
    #[inline(always)]
    pub fn of_current_or_new(&self) -> Option<&'static mut T> {
        self.get(BPF_LOCAL_STORAGE_GET_F_CREATE.into())
    }

    #[inline(always)]
    fn get(&self, flags: u64) -> Option<&'static mut T> {
        // SAFETY: the map's own memory, which lives as long as the running thread. Only this thread uses it, and a
        // thread runs one of the programs at a time.
        unsafe {
            let task = bpf_get_current_task_btf();
            let map = ptr::from_ref(self).cast_mut().cast();
            bpf_task_storage_get(map, task, ptr::null_mut(), flags).cast::<T>().as_mut()
        }
    }
}
