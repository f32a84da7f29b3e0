//! Which processes are traced: a byte for each process id, shared with the programs.
//!
//! The memory of the map is mapped here, because the programs set and clear single bytes of it at forks and exits. A
//! write of a whole value by bpf(2) would undo their changes.

use std::{
    ffi::c_void,
    io,
    os::fd::AsFd,
    ptr,
    sync::atomic::{AtomicU8, Ordering},
};

use aya::maps::MapData;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// The bytes of all process ids.
pub struct Traced {
    memory: *mut c_void,
    len: usize,
}

// SAFETY: the memory belongs to this value alone, and every access to it is atomic.
unsafe impl Send for Traced {}
// SAFETY: as above.
unsafe impl Sync for Traced {}

impl Traced {
    /// Maps the memory of the map, which has `len` bytes: one more than the largest process id.
    ///
    /// # Errors
    /// Of mmap(2).
    pub(super) fn map(map: &MapData, len: usize) -> io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address that the kernel chooses.
        let memory = unsafe { mmap(ptr::null_mut(), len, protection, MapFlags::SHARED, map.fd().as_fd(), 0) }?;
        Ok(Self { memory, len })
    }

    fn bytes(&self) -> &[AtomicU8] {
        // SAFETY: the mapping has so many bytes until it is dropped, and others access them atomically.
        unsafe { std::slice::from_raw_parts(self.memory.cast(), self.len) }
    }

    /// Traces a process, with the children that it forks from now on.
    ///
    /// # Errors
    /// The largest possible PID, if this one is larger.
    pub fn add(&self, pid: u32) -> Result<(), usize> {
        let byte = self.bytes().get(pid as usize).ok_or(self.len - 1)?;
        byte.store(1, Ordering::Relaxed);
        Ok(())
    }

    /// Stops tracing a process.
    pub fn remove(&self, pid: u32) {
        if let Some(byte) = self.bytes().get(pid as usize) {
            byte.store(0, Ordering::Relaxed);
        }
    }

    /// Whether a process is traced.
    #[must_use]
    pub fn contains(&self, pid: u32) -> bool {
        self.bytes().get(pid as usize).is_some_and(|byte| byte.load(Ordering::Relaxed) != 0)
    }

    /// All traced processes. Reads 4 MiB.
    pub fn pids(&self) -> impl Iterator<Item = u32> {
        (0u32..).zip(self.bytes()).filter(|(_, byte)| byte.load(Ordering::Relaxed) != 0).map(|(pid, _)| pid)
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        // SAFETY: the mapping of this value, which nothing uses any more. An error would leave it mapped.
        let _ = unsafe { munmap(self.memory, self.len) };
    }
}
