//! What this kernel and this process can trace, why not the rest, and what to do about it.
//!
//! Hooks are tried, not guessed. If privileges allow, every program is attached as for a recording, but traces no
//! process. Then it is detached again. text.rs writes the report for people, serde for programs.

mod causes;
mod checks;
mod report;
mod text;
mod views;

pub use self::{checks::Check, report::Report, text::write, views::View};
use crate::{
    event::Probe,
    filter::kernel::KernelFilter,
    live::{
        attach::{bpf_config, catalog::CATALOG, load::Loaded, options::Options},
        host::{hypervisor, kernel::Kernel, requirements},
    },
    recording::{Fidelity, ProbeInfo},
};

/// Smallest ring that the kernel allows: it stays empty.
const RING_BYTES: u32 = 4096;

/// Examines this machine.
#[must_use]
pub fn examine() -> Report {
    let kernel = Kernel::running();
    let mut checks = checks::all(kernel.as_ref());
    let (probes, tried) = match (requirements::check(), &kernel) {
        (Ok(()), Ok(kernel)) => try_all(kernel),
        (Err(why), _) => (untried(&why.to_string()), Err(why.to_string())),
        (_, Err(why)) => (untried(&why.to_string()), Err(why.to_string())),
    };
    checks.push(checks::programs(&probes, tried));
    let can_trace = probes.iter().any(|probe| probe.attached.is_some());
    Report {
        migtrace_version: env!("CARGO_PKG_VERSION").to_owned(),
        kernel_release: std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
        kernel_patched: kernel.as_ref().ok().map(Kernel::is_patched),
        machine: hypervisor::hypervisor(),
        can_trace,
        views: views::all(&probes),
        checks,
        probes,
    }
}

/// How each question can be answered with these probes.
#[must_use]
pub fn views(probes: &[ProbeInfo]) -> Vec<View> {
    views::all(probes)
}

/// Attaches all programs, without tracing any process, and detaches them.
fn try_all(kernel: &Kernel) -> (Vec<ProbeInfo>, Result<(), String>) {
    let loaded = bpf_config::offsets(kernel).map_err(|why| why.to_string()).and_then(|offsets| {
        let options = Options {
            places: true,
            kernel,
            offsets: &offsets,
            processes: Some(&[]),
            ring_bytes: RING_BYTES,
            stacks: false,
            aggregate: None,
            diagnostics: false,
            filter: &KernelFilter::default(),
        };
        Loaded::load(&options).map_err(|why| why.to_string())
    });
    match loaded {
        Ok(loaded) => (loaded.probes.clone(), Ok(())),
        Err(why) => (untried(&why), Err(why)),
    }
}

/// The catalog where nothing could be tried.
fn untried(why: &str) -> Vec<ProbeInfo> {
    let hook = |probe: Probe, field: Option<&str>| ProbeInfo {
        probe: probe.into(),
        field: field.map(Into::into),
        attached: None,
        error: Some(format!("not tried: {why}")),
        fidelity: Fidelity::Unavailable.into(),
    };
    CATALOG.iter().map(|entry| hook(entry.probe, entry.provides.field())).collect()
}
