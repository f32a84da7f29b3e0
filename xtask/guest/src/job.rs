//! What the guest is to set up and run; a file of JSON in the initramfs.

use std::ffi::OsString;

use serde::{Deserialize, Serialize};

/// The job's description in the initramfs.
pub const PATH: &str = "/job.json";
/// 9p tag of the host's root directory.
pub const ROOT_TAG: &str = "root";
/// Directories that are empty and writable in the guest, whatever the host has there.
pub const SCRATCH: &[&str] = &["/tmp", "/run", "/var/tmp", "/mnt"];

/// A boot's work.
#[derive(Debug, Serialize, Deserialize)]
pub struct Job {
    /// Command and arguments; looked up on the `PATH` in `env`.
    pub argv: Vec<OsString>,
    /// The whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// Working directory; `/` where the guest does not have it.
    pub cwd: OsString,
    /// Set where the caller has a terminal.
    pub terminal: Option<Terminal>,
    /// Directories of the host, mounted in this order.
    pub shares: Vec<Share>,
    /// Files of kernel modules in the initramfs, in the order of loading.
    pub modules: Vec<String>,
    /// Size of the swap device on zram; 0 for none.
    pub swap_bytes: u64,
}

/// The caller's terminal.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Terminal {
    pub rows: u16,
    pub columns: u16,
    /// Standard error goes to the terminal too, not to a stream of its own.
    pub stderr: bool,
}

/// One directory of the host at the same path in the guest.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// 9p tag, as QEMU offers it.
    pub tag: String,
    pub path: OsString,
    pub writable: bool,
}
