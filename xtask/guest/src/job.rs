//! Describes what the guest sets up and runs, in a JSON file in the initramfs.

use std::ffi::OsString;

use serde::{Deserialize, Serialize};

/// Path of the job's description in the initramfs.
pub const PATH: &str = "/job.json";
/// 9p tag of the host's root directory.
pub const ROOT_TAG: &str = "root";
/// Scratch space: directories that are empty and writable in the guest, regardless of their content on the host.
pub const SCRATCH: &[&str] = &["/tmp", "/run", "/var/tmp", "/mnt"];

/// What one boot sets up and runs.
#[derive(Debug, Serialize, Deserialize)]
pub struct Job {
    /// Command and arguments; looked up on the `PATH` in `env`.
    pub argv: Vec<OsString>,
    /// The whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// Working directory; the guest uses `/` if it has no such directory.
    pub cwd: OsString,
    /// The caller's terminal, if it has one.
    pub terminal: Option<Terminal>,
    /// Directories of the host, mounted in this order.
    pub shares: Vec<Share>,
    /// Files of kernel modules in the initramfs, in the order of loading.
    pub modules: Vec<String>,
    /// Size of the swap device on zram; 0 for none.
    pub swap_bytes: u64,
    /// Which versions of cgroups are mounted.
    pub cgroups: Cgroups,
    /// Whether tracefs and debugfs, which contains it, are mounted.
    pub tracefs: bool,
}

/// The mounted cgroup hierarchies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cgroups {
    /// Version 2 at /sys/fs/cgroup.
    #[default]
    V2,
    /// Version 1, a hierarchy for each controller at /sys/fs/cgroup/CONTROLLER.
    V1,
    /// As [`Cgroups::V1`], and version 2 without controllers at /sys/fs/cgroup/unified.
    Hybrid,
}

impl std::str::FromStr for Cgroups {
    type Err = String;

    fn from_str(text: &str) -> Result<Cgroups, String> {
        match text {
            "v2" => Ok(Cgroups::V2),
            "v1" => Ok(Cgroups::V1),
            "hybrid" => Ok(Cgroups::Hybrid),
            _ => Err("write v2, v1 or hybrid".to_owned()),
        }
    }
}

/// The caller's terminal.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Terminal {
    pub rows: u16,
    pub columns: u16,
    /// Whether standard error goes to the terminal too, and not to a separate stream.
    pub stderr: bool,
}

/// One directory of the host at the same path in the guest.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// 9p mount tag of QEMU's device.
    pub tag: String,
    pub path: OsString,
    pub writable: bool,
}
