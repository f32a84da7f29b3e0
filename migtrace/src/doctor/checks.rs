//! The requirements of tracing: what was found, whether it is sufficient, and the remedy if not.

use std::{fs, path::Path};

use serde::Serialize;

use crate::{
    event::Name,
    live::{
        attach::{
            REJECTED,
            capability::{Capability, Provides},
            catalog::CATALOG,
            kfunc,
        },
        host::{
            cgroup_hierarchy::{Hierarchy, Mount},
            kernel::Kernel,
            requirements::{self, KPROBES, Namespace, Unsupported},
            topology, tracefs,
        },
    },
    recording::ProbeInfo,
};

/// One requirement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    pub what: &'static str,
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do about it, if anything.
    pub remedy: Option<String>,
}

/// Whether a requirement is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Fully met.
    Fine,
    /// Tracing works, but shows less or costs more.
    Limits,
    /// Tracing does not work without it.
    Missing,
}

use State::{Fine, Limits, Missing};

const WITH_SUDO: &str = "run migtrace with sudo";

fn check(what: &'static str, state: State, found: impl Into<String>, remedy: Option<&str>) -> Check {
    Check { what, state, found: found.into(), remedy: remedy.map(str::to_owned) }
}

/// All checks that need no BPF program.
pub(super) fn all(kernel: Result<&Kernel, &Unsupported>) -> Vec<Check> {
    let mut checks = vec![privilege(), namespaces(), type_information(kernel), trace_events(), lockdown(kernel)];
    checks.extend(kernel.ok().map(addresses));
    checks.extend([functions(), kprobes(), nodes(), balancing(), swap(kernel.ok()), cgroups()]);
    checks.extend(kernel.ok().map(migrate_on_fault));
    checks
}

/// The result of attaching every program.
pub(super) fn programs(probes: &[ProbeInfo], tried: Result<(), String>) -> Check {
    const WHAT: &str = "BPF programs";
    if let Err(why) = tried {
        return check(WHAT, Missing, why, None);
    }
    let attached = probes.iter().filter(|probe| probe.attached.is_some()).count();
    let rejected = probes.iter().filter_map(|probe| probe.error.as_deref()).find(|error| error.contains(REJECTED));
    // Records of folio types that this kernel does not have are no capability here, and were not tried.
    let tried = |capability: &&Capability| {
        let is_it = |probe: &ProbeInfo| {
            probe.probe == capability.probe && probe.field.as_ref().map(Name::as_str) == capability.provides.field()
        };
        !matches!(capability.provides, Provides::RecordsOf(_)) || probes.iter().any(is_it)
    };
    let capabilities = CATALOG.iter().filter(tried).count();
    let found = format!("{attached} of {capabilities} hooks attached");
    match rejected {
        None => check(WHAT, Fine, found, None),
        Some(error) => check(WHAT, Limits, format!("{found}; the kernel rejected some"), rejection_remedy(error)),
    }
}

/// What to do about a rejected program, as far as its error shows.
fn rejection_remedy(error: &str) -> Option<&'static str> {
    if error.contains("fentry") && error.contains("Operation not permitted") {
        return Some(
            "this process has the capabilities, so the kernel itself forbids fentry (lockdown, a security module, or no \
             CONFIG_FUNCTION_TRACER); distribution kernels usually allow it",
        );
    }
    None
}

fn privilege() -> Check {
    const WHAT: &str = "capabilities";
    match requirements::missing_privilege() {
        Ok(missing) if missing.is_empty() => check(WHAT, Fine, "CAP_BPF, CAP_PERFMON and CAP_SYSLOG", None),
        Ok(missing) => check(WHAT, Missing, format!("this process lacks {}", missing.join(", ")), Some(WITH_SUDO)),
        Err(why) => check(WHAT, Missing, why.to_string(), None),
    }
}

fn namespaces() -> Check {
    const WHAT: &str = "namespaces";
    match Namespace::own() {
        None => check(WHAT, Fine, "PIDs and clock are those of the host", None),
        Some(own) => check(WHAT, Missing, format!("running in a private {own}"), Some(own.remedy())),
    }
}

fn type_information(kernel: Result<&Kernel, &Unsupported>) -> Check {
    const WHAT: &str = "BTF";
    match kernel {
        Ok(_) => check(WHAT, Fine, format!("{} describes this kernel", requirements::BTF_PATH), None),
        Err(why) => check(
            WHAT,
            Missing,
            why.to_string(),
            Some("use a kernel built with CONFIG_DEBUG_INFO_BTF=y; in a container, mount /sys"),
        ),
    }
}

fn trace_events() -> Check {
    const WHAT: &str = "trace events";
    match tracefs::events() {
        Ok(events) => check(WHAT, Fine, format!("at {}", events.display()), None),
        Err(why) => {
            let found = format!("{why}: what only trace events can show is missing; fentry and kprobes do not need it");
            check(WHAT, Limits, found, Some(why.remedy()))
        }
    }
}

/// Parses `[none] integrity confidentiality`: the mode is in brackets.
fn lockdown(kernel: Result<&Kernel, &Unsupported>) -> Check {
    const WHAT: &str = "lockdown";
    let Ok(text) = fs::read_to_string("/sys/kernel/security/lockdown") else {
        return check(WHAT, Fine, "not in this kernel, or securityfs is not mounted", None);
    };
    let mode = text.split(['[', ']']).nth(1).unwrap_or("unknown");
    match mode {
        "confidentiality" => check(
            WHAT,
            Limits,
            if kernel.is_ok_and(kfunc::is_offered) {
                "confidentiality: no kprobes, no phases, and the node masks of placement syscalls are unknown"
            } else {
                "confidentiality: no kprobes, and no BPF programs that read kernel memory: most are rejected"
            },
            Some("boot with lockdown=integrity or without lockdown (Secure Boot turns it on)"),
        ),
        mode => check(WHAT, Fine, mode, None),
    }
}

fn addresses(kernel: &Kernel) -> Check {
    const WHAT: &str = "kernel addresses";
    if kernel.shows_addresses() {
        return check(WHAT, Fine, "/proc/kallsyms shows them", None);
    }
    check(
        WHAT,
        Limits,
        "/proc/kallsyms hides them: page frames, and nodes of pages in faults, are unknown",
        Some("run with CAP_SYSLOG, and set kernel.kptr_restrict to 1 or 0"),
    )
}

fn functions() -> Check {
    const WHAT: &str = "functions";
    match requirements::functions_silenced() {
        None => check(WHAT, Fine, "programs attached to kernel functions run", None),
        Some(why) => check(WHAT, Limits, why, Some("sysctl kernel.ftrace_enabled=1")),
    }
}

fn kprobes() -> Check {
    const WHAT: &str = "kprobes";
    if Path::new(KPROBES).exists() {
        return check(WHAT, Fine, "available as a fallback for fentry", None);
    }
    check(
        WHAT,
        Limits,
        "this kernel has none (CONFIG_KPROBE_EVENTS), so a function without fentry cannot be traced",
        None,
    )
}

fn nodes() -> Check {
    const WHAT: &str = "nodes";
    match topology::topology().nodes.len() {
        0 => check(WHAT, Limits, "this kernel has no NUMA nodes: no page can be on the wrong one", None),
        1 => check(WHAT, Limits, "one node: no page can be on the wrong one", None),
        many => check(WHAT, Fine, format!("{many} nodes"), None),
    }
}

fn balancing() -> Check {
    const WHAT: &str = "NUMA balancing";
    let value = fs::read_to_string("/proc/sys/kernel/numa_balancing").ok();
    match value.as_deref().map(str::trim) {
        None => check(WHAT, Limits, "not in this kernel: pages are not checked against policy", None),
        Some("0") => check(
            WHAT,
            Limits,
            "off: no NUMA hinting faults, so pages are not migrated to where they are used",
            Some("sysctl kernel.numa_balancing=1, if the kernel should migrate pages automatically"),
        ),
        Some(mode) => check(WHAT, Fine, format!("on (kernel.numa_balancing={mode})"), None),
    }
}

fn swap(kernel: Option<&Kernel>) -> Check {
    const WHAT: &str = "swap";
    if !kernel.is_some_and(Kernel::is_patched) {
        return check(WHAT, Fine, "not needed: only lazy migration uses it", None);
    }
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    match swaps.lines().count().saturating_sub(1) {
        0 => check(
            WHAT,
            Limits,
            "none: anonymous pages cannot be marked for lazy migration",
            Some("add swap; a small zram device is enough"),
        ),
        _ => check(WHAT, Fine, "available", None),
    }
}

fn cgroups() -> Check {
    const WHAT: &str = "cgroups";
    let Some(hierarchy) = Hierarchy::of_events() else {
        return check(WHAT, Limits, "no task is in a cgroup hierarchy: cgroups and containers are unknown", None);
    };
    let Some(mount) = Mount::of(hierarchy) else {
        let remedy = format!("as root: {}", hierarchy.mount_command());
        return check(WHAT, Limits, format!("{hierarchy} is not mounted: cgroups are shown by id only"), Some(&remedy));
    };
    let place = format!("{hierarchy} at {}", mount.point.display());
    if !mount.is_whole() {
        let found = format!("{place} shows only a part of the hierarchy: other cgroups are shown by id only");
        return check(WHAT, Limits, found, Some("mount the host's /sys/fs/cgroup, or use the host's cgroup namespace"));
    }
    check(WHAT, Fine, format!("{place}: cgroup ids have paths"), None)
}

fn migrate_on_fault(kernel: &Kernel) -> Check {
    const WHAT: &str = "migrate-on-fault";
    if !kernel.is_patched() {
        return check(
            WHAT,
            Limits,
            "not in this kernel: no lazy marks, and checks only in NUMA hinting faults",
            Some("for lazy migration, boot a kernel with the patches in xtask/kernel/patches (cargo xtask kernel)"),
        );
    }
    let value = fs::read_to_string("/proc/sys/vm/migrate_on_fault").unwrap_or_default();
    match value.trim() {
        "0" => check(WHAT, Limits, "in this kernel, but off", Some("sysctl vm.migrate_on_fault=1")),
        mode => check(WHAT, Fine, format!("on (vm.migrate_on_fault={mode})"), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(error: Option<&str>) -> ProbeInfo {
        ProbeInfo {
            probe: "fault".into(),
            field: None,
            attached: error.is_none().then(|| "fentry f".into()),
            error: error.map(str::to_owned),
            fidelity: "exact".into(),
        }
    }

    #[test]
    fn a_rejection_is_a_limit_and_an_absence_is_none() {
        let absent = probe(Some("tracepoint mof:mof_check: this kernel has no such trace event"));
        assert_eq!(programs(&[probe(None), absent], Ok(())).state, Fine);
        let error = format!("fentry f: {REJECTED}: Operation not permitted (os error 1)");
        let said = programs(&[probe(None), probe(Some(&error))], Ok(()));
        assert_eq!(said.state, Limits);
        assert!(said.remedy.is_some_and(|remedy| remedy.contains("CONFIG_FUNCTION_TRACER")));
        assert_eq!(programs(&[], Err("no".into())).state, Missing);
    }
}
