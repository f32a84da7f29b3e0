//! What tracing needs from the machine, checked before anything is loaded, so that the message names the actual cause.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

use rustix::thread::{CapabilitySet, capabilities};
use thiserror::Error;

/// What this machine or this process lacks.
#[derive(Debug, Error)]
pub enum Unsupported {
    #[error(
        "tracing needs root, or the capabilities CAP_BPF, CAP_PERFMON and CAP_SYSLOG; this process lacks {0}. \
         Start it with sudo"
    )]
    Privilege(String),
    #[error("cannot find out this process's capabilities: {0}")]
    NoCapabilities(io::Error),
    #[error(
        "this kernel has no BTF at {path}: {source}. It is needed to find the kernel's structures; use a kernel built \
         with CONFIG_DEBUG_INFO_BTF=y, and in a container mount /sys"
    )]
    NoBtf { path: &'static str, source: io::Error },
    #[error("this process has its own {0}, and the kernel's records have the machine's: {remedy}", remedy = .0.remedy())]
    Namespace(Namespace),
    #[error("the kernel's BTF cannot be used: {0}")]
    Btf(String),
    #[error(
        "no trace events at /sys/kernel/tracing: {0}. Mount them with `mount -t tracefs tracefs /sys/kernel/tracing`"
    )]
    NoTracefs(io::Error),
    #[error("{AVOID} has {0:?}, which is no form of BPF programs: {forms}", forms = FORMS.join(", "))]
    Form(String),
    #[error("page tables and system calls of this architecture ({0}) are not known to migtrace: it traces x86-64")]
    Architecture(&'static str),
}

/// Environment variable: forms of programs, joined by commas, that are not to be used, so that others of the catalog take
/// their place. For kernels on which a form misbehaves, and to try the others.
pub const AVOID: &str = "MIGTRACE_AVOID";

/// Forms of programs, as [`AVOID`] has them, and as places in the kernel are written. fexit goes with fentry, kretprobe with
/// kprobe.
pub const FORMS: [&str; 4] = ["fentry", "kprobe", "tp_btf", "tracepoint"];

/// The forms that are not to be used.
#[must_use]
pub fn avoided() -> Vec<String> {
    let forms = std::env::var(AVOID).unwrap_or_default();
    forms.split(',').map(str::trim).filter(|form| !form.is_empty()).map(str::to_owned).collect()
}

/// What containers may have of their own, so that what the kernel records means something else here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// The numbers of processes.
    Pid,
    /// The clock.
    Time,
}

impl std::fmt::Display for Namespace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pid => "numbers of processes (a pid namespace)",
            Self::Time => "clock (a time namespace)",
        })
    }
}

impl Namespace {
    /// What to do about it.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Pid => {
                "start it outside of the container, or let the container have the host's (`docker run --pid=host`, \
                 `hostPID: true` in a pod)"
            }
            Self::Time => "start it outside of the namespace",
        }
    }

    /// The first that this process has of its own.
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

/// Lines as `boottime            0         0`: a clock, and what it is ahead, in s and ns.
fn has_own_clock(offsets: &str) -> bool {
    let mut boottime = offsets.lines().filter_map(|line| line.strip_prefix("boottime "));
    boottime.any(|ahead| ahead.split_whitespace().any(|part| part != "0"))
}

/// The running kernel's type information.
pub const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";

/// Exists if the kernel offers kprobes (CONFIG_KPROBE_EVENTS).
pub const KPROBES: &str = "/sys/bus/event_source/devices/kprobe/type";

/// What tracing needs, by name.
const CAPABILITIES: [(&str, CapabilitySet); 3] =
    [("CAP_SYSLOG", CapabilitySet::SYSLOG), ("CAP_PERFMON", CapabilitySet::PERFMON), ("CAP_BPF", CapabilitySet::BPF)];

/// Checks all that every trace needs.
///
/// # Errors
/// The first thing that is missing.
pub fn check() -> Result<(), Unsupported> {
    if std::env::consts::ARCH != "x86_64" {
        return Err(Unsupported::Architecture(std::env::consts::ARCH));
    }
    if let Some(unknown) = avoided().into_iter().find(|form| !FORMS.contains(&form.as_str())) {
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
    if let Err(error) = fs::read_dir(Path::new("/sys/kernel/tracing/events")) {
        return Err(Unsupported::NoTracefs(error));
    }
    Ok(())
}

/// The capabilities that tracing needs and this process lacks.
///
/// # Errors
/// [`Unsupported::NoCapabilities`].
pub fn missing_privilege() -> Result<Vec<&'static str>, Unsupported> {
    let held = capabilities(None).map_err(|error| Unsupported::NoCapabilities(error.into()))?;
    Ok(missing_capabilities(held.effective))
}

/// Why programs on functions would be attached and never run; `None` where they run.
#[must_use]
pub fn functions_silenced() -> Option<&'static str> {
    // fentry, fexit, and kprobes at a function's start are calls that ftrace puts there.
    let off = fs::read_to_string("/proc/sys/kernel/ftrace_enabled").is_ok_and(|enabled| enabled.trim() == "0");
    off.then_some("kernel.ftrace_enabled is 0, so the kernel calls no program on a function")
}

fn missing_capabilities(held: CapabilitySet) -> Vec<&'static str> {
    // SYS_ADMIN stands for BPF and PERFMON, as the kernel itself has it.
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
