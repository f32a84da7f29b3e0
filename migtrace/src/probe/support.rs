//! What tracing needs from the machine, checked before anything is loaded, so that the message names the actual cause.

use std::{fs, io, path::Path};

use thiserror::Error;

/// What this machine or this process lacks.
#[derive(Debug, Error)]
pub enum Unsupported {
    #[error(
        "tracing needs root, or the capabilities CAP_BPF, CAP_PERFMON and CAP_SYSLOG; this process lacks {0}. \
         Start it with sudo"
    )]
    Privilege(String),
    #[error("/proc/self/status cannot be read ({0}): mount /proc")]
    NoProc(io::Error),
    #[error(
        "this kernel has no BTF at {path}: {source}. It is needed to find the kernel's structures; use a kernel built \
         with CONFIG_DEBUG_INFO_BTF=y, and in a container mount /sys"
    )]
    NoBtf { path: &'static str, source: io::Error },
    #[error("the kernel's BTF cannot be used: {0}")]
    Btf(String),
    #[error(
        "no trace events at /sys/kernel/tracing: {0}. Mount them with `mount -t tracefs tracefs /sys/kernel/tracing`"
    )]
    NoTracefs(io::Error),
    #[error("page tables and system calls of this architecture ({0}) are not known to migtrace: it traces x86-64")]
    Architecture(&'static str),
}

/// The running kernel's type information.
pub const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";

/// Bit numbers of linux/capability.h.
const CAPABILITIES: [(&str, u32); 3] = [("CAP_SYSLOG", 34), ("CAP_PERFMON", 38), ("CAP_BPF", 39)];
const CAP_SYS_ADMIN: u32 = 21;

/// Checks all that every trace needs.
///
/// # Errors
/// The first thing that is missing.
pub fn check() -> Result<(), Unsupported> {
    if std::env::consts::ARCH != "x86_64" {
        return Err(Unsupported::Architecture(std::env::consts::ARCH));
    }
    let missing = missing_privilege()?;
    if !missing.is_empty() {
        return Err(Unsupported::Privilege(missing.join(", ")));
    }
    if let Err(source) = fs::File::open(BTF_PATH) {
        return Err(Unsupported::NoBtf { path: BTF_PATH, source });
    }
    if let Err(error) = fs::read_dir(Path::new("/sys/kernel/tracing/events")) {
        return Err(Unsupported::NoTracefs(error));
    }
    Ok(())
}

/// The capabilities that tracing needs and this process lacks.
///
/// # Errors
/// [`Unsupported::NoProc`].
pub fn missing_privilege() -> Result<Vec<&'static str>, Unsupported> {
    let status = fs::read_to_string("/proc/self/status").map_err(Unsupported::NoProc)?;
    Ok(missing_capabilities(effective_capabilities(&status)))
}

/// The effective set out of /proc/PID/status.
fn effective_capabilities(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0)
}

fn missing_capabilities(effective: u64) -> Vec<&'static str> {
    let has = |bit: u32| effective >> bit & 1 == 1;
    // CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON, as the kernel itself has it.
    let lacks = |name: &str, bit: u32| !has(bit) && (name == "CAP_SYSLOG" || !has(CAP_SYS_ADMIN));
    CAPABILITIES.iter().filter(|(name, bit)| lacks(name, *bit)).map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_read_from_status() {
        assert_eq!(effective_capabilities("Name:\tx\nCapEff:\t000001ffffffffff\n"), 0x1ff_ffff_ffff);
        assert_eq!(missing_capabilities(0x1ff_ffff_ffff), Vec::<&str>::new());
        assert_eq!(missing_capabilities(0), ["CAP_SYSLOG", "CAP_PERFMON", "CAP_BPF"]);
        assert_eq!(missing_capabilities(1 << CAP_SYS_ADMIN), ["CAP_SYSLOG"]);
    }
}
