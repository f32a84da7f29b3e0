//! What a probe can provide, and the hooks that provide it. [`super::catalog`] has the table.

use migtrace_common::counters::Probe;

/// A hook in the kernel, with the program type for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A tracepoint with its raw arguments.
    BtfTracepoint(&'static str),
    /// The start of a function that has one of these names.
    Fentry(&'static [&'static str]),
    /// The end of a function.
    Fexit(&'static [&'static str]),
    /// The start of a function, by a breakpoint or ftrace.
    Kprobe(&'static [&'static str]),
    /// The end of a function, likewise.
    Kretprobe(&'static [&'static str]),
    /// A classic tracepoint: category, name, and the structure of its record.
    Tracepoint(&'static str, &'static str, &'static str),
}

/// A program of the BPF object, and its hook.
pub type Placed = (&'static str, Hook);

/// One attach method of a capability.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// All must attach, or the method is unavailable.
    pub programs: &'static [Placed],
    /// Fields that the probe's records do not have with this method.
    pub lacks: &'static [&'static str],
    /// The reason.
    pub reason: &'static str,
}

/// A capability of a probe.
#[derive(Clone, Copy, Debug)]
pub struct Capability {
    /// The probe of the records.
    pub probe: Probe,
    pub provides: Provides,
    /// Best first.
    pub methods: &'static [Method],
}

/// What a capability provides for its probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provides {
    /// The records themselves. Without it there are none.
    Records,
    /// A field, by its name in the trace. Used only if the method of the records provides it.
    Field(&'static str),
    /// Values of a field that only this hook shows. A kernel without it has no events with such values.
    ValuesOf(&'static str),
    /// Additional records of folios that only their owner's hook shows. A kernel without it has no such folios.
    RecordsOf(&'static str),
}

impl Provides {
    /// Its name in a trace, unless it is the records themselves.
    #[must_use]
    pub fn field(self) -> Option<&'static str> {
        match self {
            Self::Records => None,
            Self::Field(what) | Self::ValuesOf(what) | Self::RecordsOf(what) => Some(what),
        }
    }
}

impl Hook {
    /// Its text in reports, with the function name on this kernel.
    #[must_use]
    pub fn shown(&self, function: &str) -> String {
        match self {
            Self::Tracepoint(category, name, _) => format!("tracepoint {category}:{name}"),
            Self::BtfTracepoint(name) => format!("tp_btf {name}"),
            Self::Fentry(_) => format!("fentry {function}"),
            Self::Fexit(_) => format!("fexit {function}"),
            Self::Kprobe(_) => format!("kprobe {function}"),
            Self::Kretprobe(_) => format!("kretprobe {function}"),
        }
    }

    /// The type of its program: one of [`crate::live::host::requirements::PROGRAM_TYPES`].
    #[must_use]
    pub fn program_type(&self) -> &'static str {
        match self {
            Self::Fentry(_) | Self::Fexit(_) => "fentry",
            Self::Kprobe(_) | Self::Kretprobe(_) => "kprobe",
            Self::BtfTracepoint(_) => "tp_btf",
            Self::Tracepoint(..) => "tracepoint",
        }
    }

    /// Possible names of its function; none for a tracepoint.
    #[must_use]
    pub fn functions(&self) -> &'static [&'static str] {
        match self {
            Self::Fentry(names) | Self::Fexit(names) | Self::Kprobe(names) | Self::Kretprobe(names) => names,
            Self::Tracepoint(..) | Self::BtfTracepoint(_) => &[],
        }
    }
}
