//! Requirements of tracing, checked before any program is loaded, so that the message names the actual cause.

use std::{fs, io, os::unix::fs::MetadataExt as _};

use rustix::thread::{CapabilitySet, capabilities};
use thiserror::Error;

/// A missing requirement.
#[derive(Debug, Error)]
pub enum Unsupported {
    #[error(
        "tracing needs root, or the capabilities CAP_BPF, CAP_PERFMON and CAP_SYSLOG; this process lacks {0}. \
         Run migtrace with sudo"
    )]
    Privilege(String),
    #[error("cannot read the capabilities of this process: {0}")]
    NoCapabilities(io::Error),
    #[error(
        "this kernel has no BTF at {path}: {source}. Use a kernel built with CONFIG_DEBUG_INFO_BTF=y; in a container, \
         mount /sys"
    )]
    NoBtf { path: &'static str, source: io::Error },
    #[error("running in a private {0}: recorded {what} are the host's and would not match; {remedy}", what = .0.what(), remedy = .0.remedy())]
    Namespace(Namespace),
    #[error("the kernel's BTF cannot be used: {0}")]
    Btf(String),
    #[error("unknown BPF program type {0:?} in {AVOID}: expected one of {forms}", forms = PROGRAM_TYPES.join(", "))]
    Form(String),
    #[error("unsupported architecture {0}: migtrace traces x86-64 only")]
    Architecture(&'static str),
}

/// Environment variable with program types to avoid, joined by commas. Other attach methods of the catalog are used
/// instead. For kernels on which a type misbehaves, and to try the other methods.
pub const AVOID: &str = "MIGTRACE_AVOID";

/// Program types, as in [`AVOID`] and in the text of hooks. fexit is included in fentry, kretprobe in kprobe.
pub const PROGRAM_TYPES: [&str; 4] = ["fentry", "kprobe", "tp_btf", "tracepoint"];

/// The program types to avoid.
#[must_use]
pub fn avoided() -> Vec<String> {
    let types = std::env::var(AVOID).unwrap_or_default();
    types.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// A namespace of a container in which recorded values have another meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// PIDs.
    Pid,
    /// Clocks.
    Time,
}

impl std::fmt::Display for Namespace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pid => "pid namespace",
            Self::Time => "time namespace",
        })
    }
}

impl Namespace {
    /// What differs from the host's in it.
    fn what(self) -> &'static str {
        match self {
            Self::Pid => "PIDs",
            Self::Time => "times",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Pid => {
                "start it outside the container, or use the host's PID namespace (`docker run --pid=host`, `hostPID: true` in \
                 a pod)"
            }
            Self::Time => "start it outside the namespace",
        }
    }

    /// The first private namespace of this process.
    #[must_use]
    pub fn own() -> Option<Self> {
        // The initial namespace has this number (PID_NS_INIT_INO in linux/nsfs.h); any other one is private.
        const MACHINES: u64 = 0xEFFF_FFFC;
        if fs::metadata("/proc/self/ns/pid").is_ok_and(|namespace| namespace.ino() != MACHINES) {
            return Some(Self::Pid);
        }
        let offsets = fs::read_to_string("/proc/self/timens_offsets").unwrap_or_default();
        has_own_clock(&offsets).then_some(Self::Time)
    }
}

/// Parses lines such as `boottime            0         0`: a clock, and its offset in s and ns.
fn has_own_clock(offsets: &str) -> bool {
    let mut boottime = offsets.lines().filter_map(|line| line.strip_prefix("boottime "));
    boottime.any(|ahead| ahead.split_whitespace().any(|part| part != "0"))
}

/// Type information of the running kernel.
pub const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";

/// Exists if the kernel offers kprobes (CONFIG_KPROBE_EVENTS).
pub const KPROBES: &str = "/sys/bus/event_source/devices/kprobe/type";

/// The capabilities that tracing needs.
const CAPABILITIES: [(&str, CapabilitySet); 3] =
    [("CAP_SYSLOG", CapabilitySet::SYSLOG), ("CAP_PERFMON", CapabilitySet::PERFMON), ("CAP_BPF", CapabilitySet::BPF)];

/// Checks the requirements of all tracing.
///
/// # Errors
/// The first missing requirement.
pub fn check() -> Result<(), Unsupported> {
    if std::env::consts::ARCH != "x86_64" {
        return Err(Unsupported::Architecture(std::env::consts::ARCH));
    }
    if let Some(unknown) = avoided().into_iter().find(|program_type| !PROGRAM_TYPES.contains(&program_type.as_str())) {
        return Err(Unsupported::Form(unknown));
    }
    let missing = missing_privilege()?;
    if !missing.is_empty() {
        return Err(Unsupported::Privilege(missing.join(", ")));
    }
    if let Some(own) = Namespace::own() {
        return Err(Unsupported::Namespace(own));
    }
    if let Err(source) = fs::File::open(BTF_PATH) {
        return Err(Unsupported::NoBtf { path: BTF_PATH, source });
    }
    Ok(())
}

/// The missing capabilities of this process.
///
/// # Errors
/// [`Unsupported::NoCapabilities`].
pub fn missing_privilege() -> Result<Vec<&'static str>, Unsupported> {
    let held = capabilities(None).map_err(|error| Unsupported::NoCapabilities(error.into()))?;
    Ok(missing_capabilities(held.effective))
}

/// Why programs attached to functions would never run; `None` if they run.
#[must_use]
pub fn functions_silenced() -> Option<&'static str> {
    // fentry, fexit and kprobes at a function's start are called through ftrace.
    let off = fs::read_to_string("/proc/sys/kernel/ftrace_enabled").is_ok_and(|enabled| enabled.trim() == "0");
    off.then_some("kernel.ftrace_enabled is 0, so the kernel calls no program on a function")
}

fn missing_capabilities(held: CapabilitySet) -> Vec<&'static str> {
    // SYS_ADMIN includes BPF and PERFMON, as in the kernel.
    let stands_in = held.contains(CapabilitySet::SYS_ADMIN);
    let lacks = |needed: CapabilitySet| !held.contains(needed) && (needed == CapabilitySet::SYSLOG || !stands_in);
    CAPABILITIES.iter().filter(|(_, needed)| lacks(*needed)).map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_of_its_own_is_one_that_is_ahead() {
        assert!(!has_own_clock(""));
        assert!(!has_own_clock("monotonic           0         0\nboottime            0         0\n"));
        assert!(!has_own_clock("monotonic        3600         0\nboottime            0         0\n"));
        assert!(has_own_clock("monotonic           0         0\nboottime            0       100\n"));
        assert!(has_own_clock("monotonic           0         0\nboottime        -3600         0\n"));
    }

    #[test]
    fn what_is_missing_has_its_name() {
        assert_eq!(missing_capabilities(CapabilitySet::all()), Vec::<&str>::new());
        assert_eq!(missing_capabilities(CapabilitySet::empty()), ["CAP_SYSLOG", "CAP_PERFMON", "CAP_BPF"]);
        assert_eq!(missing_capabilities(CapabilitySet::SYS_ADMIN), ["CAP_SYSLOG"]);
    }
}
