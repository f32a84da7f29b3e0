//! Attaches the programs by the catalog: each capability by the best attach method that this kernel accepts completely.

use std::{collections::HashMap, path::Path};

use aya::{
    Btf, Ebpf,
    programs::{BtfTracePoint, FEntry, FExit, KProbe, Program, ProgramError, TracePoint},
};
use migtrace_common::{counters::Probe, kinds::RecordKind};

use super::{
    REJECTED,
    capability::{Capability, Hook, Method, Placed, Provides},
    catalog::CATALOG,
    options::Options,
};
use crate::{
    filter::kernel,
    live::host::{
        requirements::{self, KPROBES},
        tracefs,
    },
    recording::{Fidelity, ProbeInfo, coverage},
};

/// An attached program and its probe.
pub(crate) type Attached = (&'static str, Probe);

/// Attaches every capability that this kernel supports. Returns how each was attached, or why not, and the programs.
pub(crate) fn attach_all(ebpf: &mut Ebpf, options: &Options<'_>, btf: &Btf) -> (Vec<ProbeInfo>, Vec<Attached>) {
    let avoided = requirements::avoided();
    let mut attaching = Attaching { ebpf, options, btf, avoided, attached: Vec::new(), lacks: HashMap::new() };
    // Faults come last: a storm of them would fill the rings before the other probes are attached and the reader
    // starts. The report has the catalog's order.
    let is_fault = |capability: &&Capability| capability.probe == Probe::Fault;
    let others: Vec<_> = CATALOG
        .iter()
        .filter(|capability| !is_fault(capability))
        .flat_map(|capability| attaching.fill(capability))
        .collect();
    let faults: Vec<_> = CATALOG.iter().filter(is_fault).flat_map(|capability| attaching.fill(capability)).collect();
    ([faults, others].concat(), attaching.attached)
}

/// Why the node of a fault's page is unknown.
const ADDRESSES_HIDDEN: &str = "/proc/kallsyms hides the kernel's addresses (kernel.kptr_restrict, or no CAP_SYSLOG)";

/// The kernel's allocator for BPF maps that can grow in any context.
const BPF_ALLOCATOR: &str = "bpf_mem_alloc_init";

/// Whether programs of this probe count events if counting is requested.
fn counts(probe: Probe) -> bool {
    !matches!(probe, Probe::Request | Probe::Phase | Probe::Task | Probe::LazyBatch)
}

/// Attaches one capability after the other.
struct Attaching<'a> {
    ebpf: &'a mut Ebpf,
    options: &'a Options<'a>,
    btf: &'a Btf,
    /// Program types to avoid.
    avoided: Vec<String>,
    attached: Vec<Attached>,
    /// By probe: the fields that its records do not have with the chosen attach method.
    lacks: HashMap<&'static str, &'static [&'static str]>,
}

impl Attaching<'_> {
    /// Uses the first attach method that the kernel accepts. Returns the report for the capability and for fields that
    /// depend on it.
    fn fill(&mut self, capability: &'static Capability) -> Vec<ProbeInfo> {
        let probe = capability.probe.name();
        if let Provides::Field(field) | Provides::ValuesOf(field) = capability.provides
            && self.lacks.get(probe).is_some_and(|lacks| lacks.contains(&field))
        {
            // Reported with the attach method of the records.
            return Vec::new();
        }
        if matches!(capability.provides, Provides::ValuesOf(_) | Provides::RecordsOf(_))
            && !self.has_a_place(capability)
        {
            return Vec::new();
        }
        if capability.probe == Probe::Place && !self.options.places {
            return Vec::new();
        }
        if !self.is_wanted(capability.probe) {
            return vec![info(capability, Err(coverage::FILTERED.to_owned()))];
        }
        let mut refusals = Vec::new();
        for method in capability.methods {
            match self.take(capability.probe, method) {
                Ok(places) => {
                    // Better attach methods were rejected: reported although the capability is attached.
                    let refused = (!refusals.is_empty()).then(|| refusals.join("; "));
                    let mut said = vec![ProbeInfo { error: refused, ..info(capability, Ok(places)) }];
                    if capability.provides == Provides::Records {
                        self.lacks.insert(probe, method.lacks);
                        said.extend(method.lacks.iter().map(|field| lacking(capability, field, method.reason)));
                        // The node of a fault's page is found by the page table, whose address is hidden then.
                        if capability.probe == Probe::Fault
                            && !method.lacks.contains(&"nid")
                            && !self.options.kernel.shows_addresses()
                        {
                            said.push(lacking(capability, "nid", ADDRESSES_HIDDEN));
                        }
                    }
                    return said;
                }
                Err(refusal) => refusals.push(refusal),
            }
        }
        vec![info(capability, Err(refusals.join("; ")))]
    }

    /// Whether this kernel has a function for the capability.
    fn has_a_place(&self, capability: &Capability) -> bool {
        let mut functions =
            capability.methods.iter().flat_map(|method| method.programs).flat_map(|(_, hook)| hook.functions());
        functions.any(|function| self.options.kernel.has_function(function))
    }

    /// Whether the filter accepts records of this probe, or of another probe that needs its state.
    fn is_wanted(&self, probe: Probe) -> bool {
        use RecordKind as Kind;
        let kinds: &[Kind] = match probe {
            // They show copies of pages, and pages that come back from swap.
            Probe::Fault if self.options.places => return true,
            Probe::Fault | Probe::Region => &[Kind::FAULT, Kind::REGION],
            Probe::Check | Probe::HintingCheck => &[Kind::CHECK],
            Probe::Mark => &[Kind::MARK],
            Probe::LazyMigrate | Probe::DirectMigrate => &[Kind::MIGRATE],
            Probe::Batch => &[Kind::BATCH, Kind::MIGRATE],
            Probe::LazyBatch => &[Kind::BATCH],
            // Events nested in a placement syscall get their cause from it, and a mark its address.
            Probe::Request => &[Kind::REQUEST, Kind::BATCH, Kind::MIGRATE, Kind::MARK],
            // It finds the children of traced processes.
            Probe::Task if self.options.processes.is_some() => return true,
            Probe::Task => &[Kind::TASK],
            Probe::Phase => &[Kind::PHASE],
            Probe::Place => &[Kind::PLACE],
        };
        kinds.iter().any(|kind| kernel::wants_records(&self.options.filter.settings, *kind))
    }

    /// Attaches all programs of an attach method, or none. Returns the hooks, or the first error.
    fn take(&mut self, probe: Probe, method: &'static Method) -> Result<String, String> {
        let mut places = Vec::new();
        for (number, placed) in method.programs.iter().enumerate() {
            match self.attach(probe, placed) {
                Ok(place) => places.push(place),
                Err(refusal) => {
                    method.programs[..number].iter().for_each(|(program, _)| unload(self.ebpf, program));
                    return Err(refusal);
                }
            }
        }
        self.attached.extend(method.programs.iter().map(|(program, _)| (*program, probe)));
        Ok(places.join(", "))
    }

    /// Loads and attaches one program. Returns the hook, or the error of the kernel or aya on one line.
    fn attach(&mut self, probe: Probe, (name, hook): &'static Placed) -> Result<String, String> {
        let function = self.function_of(hook)?;
        let place = hook.shown(function);
        self.offered(probe, hook).map_err(|why| format!("{place}: {why}"))?;
        let program = self.ebpf.program_mut(name).ok_or_else(|| format!("{name} is not in the BPF object"))?;
        load_and_attach(program, hook, function, self.btf).map_err(|error| {
            log::trace!("{name} ({place}): {error:?}");
            format!("{place}: {}", refusal(&error))
        })?;
        Ok(place)
    }

    /// The name of its function on this kernel; empty for a tracepoint.
    fn function_of(&self, hook: &Hook) -> Result<&'static str, String> {
        let names = hook.functions();
        let Some(first) = names.first() else { return Ok("") };
        names
            .iter()
            .find(|name| self.options.kernel.has_function(name))
            .copied()
            .ok_or_else(|| format!("{}: this kernel has no such function, or inlines it everywhere", hook.shown(first)))
    }

    /// Whether this program type may be used for this probe. The kernel must have the trace event with all fields that
    /// the program reads, and must call programs on functions.
    fn offered(&self, probe: Probe, hook: &Hook) -> Result<(), String> {
        if self.avoided.iter().any(|program_type| program_type == hook.program_type()) {
            return Err(format!("{} has {}", requirements::AVOID, hook.program_type()));
        }
        // Counting allocates memory when keys are new, and programs of these types can run inside the kernel's own
        // allocator. Since 6.1 BPF has an allocator for that.
        if matches!(hook.program_type(), "kprobe" | "tracepoint")
            && counts(probe)
            && !self.options.kernel.has_function(BPF_ALLOCATOR)
        {
            return Err("programs of this type cannot allocate memory before Linux 6.1".to_owned());
        }
        let (category, name, record) = match hook {
            Hook::Tracepoint(category, name, record) => (category, name, record),
            Hook::Fentry(_) | Hook::Fexit(_) | Hook::Kprobe(_) | Hook::Kretprobe(_)
                if let Some(why) = requirements::functions_silenced() =>
            {
                return Err(why.to_owned());
            }
            Hook::Kprobe(_) | Hook::Kretprobe(_) if !Path::new(KPROBES).exists() => {
                return Err("this kernel has no kprobes".to_owned());
            }
            _ => return Ok(()),
        };
        let events = tracefs::events().map_err(|why| why.to_string())?;
        if !events.join(category).join(name).exists() {
            return Err("this kernel has no such trace event".to_owned());
        }
        match self.options.offsets.lacking(record) {
            Some(fields) => Err(format!("its record has no {fields}")),
            None => Ok(()),
        }
    }
}

/// Detaches and unloads a program.
pub(crate) fn unload(ebpf: &mut Ebpf, program: &str) {
    // A program that cannot be unloaded is dropped with the object.
    let _ = match ebpf.program_mut(program) {
        Some(Program::TracePoint(program)) => program.unload(),
        Some(Program::BtfTracePoint(program)) => program.unload(),
        Some(Program::FEntry(program)) => program.unload(),
        Some(Program::FExit(program)) => program.unload(),
        Some(Program::KProbe(program)) => program.unload(),
        _ => Ok(()),
    };
}

fn load_and_attach(program: &mut Program, hook: &Hook, function: &str, btf: &Btf) -> Result<(), ProgramError> {
    match hook {
        Hook::Tracepoint(category, name, _) => {
            let program: &mut TracePoint = program.try_into()?;
            program.load()?;
            program.attach(category, name)?;
        }
        Hook::BtfTracepoint(name) => {
            let program: &mut BtfTracePoint = program.try_into()?;
            program.load(name, btf)?;
            program.attach()?;
        }
        Hook::Fentry(_) => {
            let program: &mut FEntry = program.try_into()?;
            program.load(function, btf)?;
            program.attach()?;
        }
        Hook::Fexit(_) => {
            let program: &mut FExit = program.try_into()?;
            program.load(function, btf)?;
            program.attach()?;
        }
        Hook::Kprobe(_) | Hook::Kretprobe(_) => {
            let program: &mut KProbe = program.try_into()?;
            program.load()?;
            program.attach(function, 0)?;
        }
    }
    Ok(())
}

/// The reason in a verifier log: the line before the statistics. If that only names an argument of a function, the line
/// before it has the reason.
fn reason(log: &str) -> &str {
    let mut lines = log.lines().take_while(|line| !line.starts_with("verification time")).collect::<Vec<_>>();
    let last = lines.pop().unwrap_or_default();
    let why = lines.pop().filter(|why| last.starts_with("invalid bpf_context access") && why.starts_with("func "));
    why.unwrap_or(last).trim()
}

/// The error of the kernel, on one line.
fn refusal(error: &ProgramError) -> String {
    if let ProgramError::LoadError { io_error, verifier_log } = error {
        let log = verifier_log.to_string();
        let reason = reason(&log);
        let separator = if reason.is_empty() { "" } else { "; " };
        return format!("{REJECTED}: {io_error}{separator}{reason}");
    }
    let mut chain = vec![error.to_string()];
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        chain.push(cause.to_string());
        source = cause.source();
    }
    chain.dedup();
    chain.join(": ")
}

fn info(capability: &Capability, outcome: Result<String, String>) -> ProbeInfo {
    let fidelity = if outcome.is_ok() { Fidelity::Exact } else { Fidelity::Unavailable };
    ProbeInfo {
        probe: capability.probe.into(),
        field: capability.provides.field().map(Into::into),
        attached: outcome.as_ref().ok().cloned(),
        error: outcome.err(),
        fidelity: fidelity.into(),
    }
}

/// A field that the attach method of the records does not provide.
fn lacking(capability: &Capability, field: &str, why: &str) -> ProbeInfo {
    ProbeInfo {
        probe: capability.probe.into(),
        field: Some(field.into()),
        attached: None,
        error: Some(why.to_owned()),
        fidelity: Fidelity::Unavailable.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_what_the_verifier_said_last() {
        let statistics = "verification time 12 usec\nstack depth 0\n";
        let of_argument = "0: (79) r1 = *(u64 *)(r1 +0)\nfunc '__x64_sys_mbind' arg0 type FWD is not a struct\n\
                           invalid bpf_context access off=0 size=8\n";
        assert_eq!(
            reason(&format!("{of_argument}{statistics}")),
            "func '__x64_sys_mbind' arg0 type FWD is not a struct"
        );
        assert_eq!(
            reason(&format!("0: (85) call unknown#1\ninvalid func unknown#1\n{statistics}")),
            "invalid func unknown#1"
        );
        assert_eq!(reason(""), "");
    }
}
