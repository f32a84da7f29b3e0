//! The machine for benches: this host if its kernel loads BPF programs on raw tracepoints, else the virtual machine.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use nix::{
    mount::{MsFlags, mount},
    unistd::Uid,
};
use serde::{Deserialize, Serialize};
use xtask_common::{exit::Failure, progress::say};

use crate::lab::Lab;

/// What a reader of results must know about the machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Place {
    /// `native` or `virtual machine` (the project's own).
    pub place: String,
    pub kernel: String,
    pub processor: String,
    pub cpus: usize,
    /// Whether the processor reports that it runs under a hypervisor.
    pub virtualized: bool,
    /// Whether clocks count instructions.
    #[serde(default)]
    pub counted: bool,
}

impl Place {
    /// Describes the machine that this process runs on.
    pub fn here(lab: &Lab) -> Place {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let in_machine = std::env::var_os("MIGTRACE_IN_VM").is_some();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Place {
            place: if in_machine { "virtual machine" } else { "native" }.to_owned(),
            kernel: kernel.trim().to_owned(),
            processor: field("model name").unwrap_or_else(|| "unknown processor".to_owned()),
            cpus: lab.cpus.len(),
            counted: lab.counted,
            virtualized: field("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
        }
    }

    /// Returns one line about the machine and its clock.
    pub fn text(&self) -> String {
        let kind = match (&self.place[..], self.virtualized) {
            ("native", false) => "on this machine's own kernel",
            ("native", true) => "on this machine's own kernel (it is itself a guest of a hypervisor)",
            _ if self.counted => "in the project's virtual machine, whose clock advances 1 ns per instruction",
            _ => "in the project's virtual machine",
        };
        format!("measured {kind}: Linux {}, {} CPUs, {}", self.kernel, self.cpus, self.processor)
    }
}

/// Returns why BPF programs on raw tracepoints do not run here, or `None` if they do.
pub fn obstacle(lab: &Lab) -> Option<String> {
    if !Uid::effective().is_root() {
        return Some("loading BPF programs needs root".to_owned());
    }
    let mut floor = lab.watching([&lab.tools.floor]);
    floor.arg("empty").arg("--object").arg(&lab.tools.floor_object).args(["--", "true"]);
    lab.run(floor, "probe").err().map(|error| format!("{error:#}"))
}

const TRACEFS: &str = "/sys/kernel/tracing";

/// Mounts tracefs if necessary. perf and bpftrace look up tracepoints there.
pub fn mount_tracefs() -> Result<()> {
    let has_events = |place: &str| Path::new(place).join("events/exceptions").is_dir();
    if has_events(TRACEFS) || has_events("/sys/kernel/debug/tracing") {
        return Ok(());
    }
    mount(
        Some("tracefs"),
        TRACEFS,
        Some("tracefs"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC,
        None::<&str>,
    )
    .with_context(|| Failure::Environment(format!("cannot mount {TRACEFS}, which perf needs")))?;
    say(format!("mounted {TRACEFS}: perf and bpftrace look up tracepoints there"));
    Ok(())
}
