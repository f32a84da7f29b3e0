//! The result of a kernel's build or download, which the virtual machine boots.

use std::path::PathBuf;

/// A kernel that can be booted.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// Name of the kernel, for files about a boot of it.
    pub(crate) name: String,
    pub(crate) bzimage: PathBuf,
    /// Modules that the first process loads from the initramfs, in this order.
    pub(crate) modules: Vec<Module>,
    /// Whether zram is built in.
    pub(crate) zram: bool,
    /// Factor for the machine's time limits, larger for a kernel with expensive checks.
    pub(crate) slowness: u32,
}

/// A kernel module: its path on the host and in the initramfs.
#[derive(Clone, Debug)]
pub(crate) struct Module {
    pub(crate) host_file: PathBuf,
    pub(crate) name: String,
}
