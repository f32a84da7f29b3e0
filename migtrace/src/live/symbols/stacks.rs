//! Function names of stacks. The kernel stores each stack once, and records have its number. Names are looked up when
//! records are released, from the mappings at the time of the stack. Parsing a program's symbols can take longer than
//! the process runs.
//!
//! Names come from [`super::functions`].

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use aya::maps::{MapData, StackTraceMap};
use migtrace_common::record::{Header, SECOND_TABLE, STACK_NOT_KEPT};
use zerocopy::FromBytes;

use super::{
    frame::{Names, nameless},
    functions::Functions,
    mappings::Mappings,
    perf_maps::{Program, Rejected, Why},
};

/// Limit of stacks whose names are kept; beyond it all are evicted and looked up again.
const KEPT: usize = 1 << 16;
/// Placeholder for a stack that did not fit into the kernel's tables.
static NOT_KEPT: LazyLock<Arc<str>> = LazyLock::new(|| "[not kept]".into());

/// Sources of stacks.
pub struct Sources {
    /// The programs' tables of stacks.
    pub tables: [StackTraceMap<MapData>; 2],
    /// Mappings of processes, if the kernel reports them.
    pub mappings: Option<Mappings>,
}

/// Names of stacks, joined by `;`, outermost first.
pub struct Stacks {
    tables: [StackTraceMap<MapData>; 2],
    functions: Functions,
    /// By number, and for user stacks by program.
    names: HashMap<(Option<Program>, i32), Named>,
    /// Processes that had a new stack since the last drain, and when.
    new: HashMap<u32, u64>,
}

/// A stack's names.
#[derive(Clone)]
struct Named {
    /// `None` if the kernel did not store it.
    names: Option<Arc<str>>,
    /// If a function of generated code has no name: the version of the perf map without it.
    unnamed_in: Option<u64>,
}

impl Stacks {
    /// Reads the kernel's symbols, which takes some time.
    #[must_use]
    pub fn new(sources: Sources) -> Self {
        let functions = Functions::new(sources.mappings);
        Self { tables: sources.tables, functions, names: HashMap::new(), new: HashMap::new() }
    }

    /// Reads mapping events, and opens the perf maps of processes with new stacks. Call it whenever the rings are drained.
    pub fn drain(&mut self) {
        self.functions.drain();
        for (pid, at_ns) in std::mem::take(&mut self.new) {
            self.functions.look(self.functions.program(pid, at_ns), Why::NewStack);
        }
    }

    /// Lost mapping events.
    #[must_use]
    pub fn lost_mappings(&mut self) -> u64 {
        self.functions.lost_mappings()
    }

    /// CPU time of the thread that parses symbols.
    #[must_use]
    pub const fn cpu_ns(&self) -> u64 {
        self.functions.cpu_ns()
    }

    /// What was not used of perf maps.
    #[must_use]
    pub fn rejected_perf_maps(&self) -> Rejected {
        self.functions.rejected().clone()
    }

    /// Reads the mappings of a record's process, if the record has a user stack. Call it as soon as the record is read.
    pub fn see(&mut self, record: &[u8]) {
        if let Ok((header, _)) = Header::read_from_prefix(record)
            && header.user_stack >= 0
        {
            self.functions.read_earlier(header.pid);
            let program = self.functions.program(header.pid, header.ts_ns);
            if !self.names.contains_key(&(Some(program), header.user_stack)) {
                self.new.insert(header.pid, header.ts_ns);
            }
        }
    }

    /// Names of a record's kernel and user stack.
    pub fn of_record(&mut self, record: &[u8]) -> (Option<Arc<str>>, Option<Arc<str>>) {
        Header::read_from_prefix(record).map_or((None, None), |(header, _)| self.of(&header))
    }

    fn of(&mut self, header: &Header) -> (Option<Arc<str>>, Option<Arc<str>>) {
        let process = Some((header.pid, header.ts_ns));
        (self.named(None, header.kernel_stack), self.named(process, header.user_stack))
    }

    /// The stack with this number: of the kernel, or of a process at a time.
    fn named(&mut self, process: Option<(u32, u64)>, number: i32) -> Option<Arc<str>> {
        if number == STACK_NOT_KEPT {
            return Some(NOT_KEPT.clone());
        }
        // Negative: no stack.
        let key = u32::try_from(number & !SECOND_TABLE).ok()?;
        let program = process.map(|(pid, at_ns)| self.functions.program(pid, at_ns));
        if let Some(known) = self.names.get(&(program, number)).cloned()
            && known.unnamed_in.is_none_or(|version| {
                program.map(|program| self.functions.look(program, Why::Unnamed)) == Some(version)
            })
        {
            return known.names;
        }
        // Parsing symbols takes some time, during which other processes start.
        self.drain();
        let stack = self.tables[usize::from(number & SECOND_TABLE != 0)].get(&key, 0).ok()?;
        let addresses: Vec<u64> = stack.frames().iter().map(|frame| frame.ip).filter(|&ip| ip != 0).collect();
        let named = self.names_of(process, &addresses);
        if self.names.len() == KEPT {
            self.names.clear();
        }
        self.names.insert((program, number), named.clone());
        named.names
    }

    /// Input is innermost first, output outermost first. A frame without a name is shown as its address.
    fn names_of(&mut self, process: Option<(u32, u64)>, addresses: &[u64]) -> Named {
        let (named, unnamed_in) = match process {
            None => (self.functions.of_kernel(addresses), None),
            Some((pid, at_ns)) => self.names_of_process(pid, at_ns, addresses),
        };
        let frames = named.into_iter().zip(addresses).rev();
        let mut frames: Vec<_> =
            frames.flat_map(|(names, address)| names.unwrap_or_else(|| vec![nameless(*address)])).collect();
        if process.is_none() {
            leave_out_tracing(&mut frames);
        }
        let names = Some(frames.join(";")).filter(|names| !names.is_empty()).map(Arc::from);
        Named { names, unnamed_in }
    }

    /// The names, and the version of the perf map if generated code has no name in it.
    fn names_of_process(&mut self, pid: u32, at_ns: u64, addresses: &[u64]) -> (Vec<Names>, Option<u64>) {
        let program = self.functions.program(pid, at_ns);
        let mut version = self.functions.look(program, Why::NewStack);
        loop {
            let named = self.functions.of_process(pid, at_ns, addresses);
            let is_unnamed =
                |(names, &address): (&Names, &u64)| names.is_none() && self.functions.is_generated(pid, at_ns, address);
            if !named.iter().zip(addresses).any(is_unnamed) {
                return (named, None);
            }
            let newer = self.functions.look(program, Why::Unnamed);
            if newer == version {
                return (named, Some(version));
            }
            version = newer;
        }
    }
}

/// Kernel frames, outermost first, without those that lead to a BPF program.
fn leave_out_tracing(frames: &mut Vec<String>) {
    // From the place where a trace event calls its programs, whatever symbols those frames have.
    const EVENTS: [&str; 3] = ["bpf_trace_run", "__bpf_trace_", "__traceiter_"];
    const PROGRAM: &str = "bpf_prog_";
    const TRAMPOLINE: &str = "bpf_trampoline_";
    let is = |frame: &String, prefixes: &[&str]| prefixes.iter().any(|prefix| frame.starts_with(prefix));
    let event = frames.iter().position(|frame| is(frame, &EVENTS));
    frames.truncate(event.unwrap_or(frames.len()));
    while frames.last().is_some_and(|frame| is(frame, &[PROGRAM, TRAMPOLINE])) {
        frames.pop();
    }
    // A function with fexit calls a trampoline, which calls the rest of the function.
    while let Some(at) = frames.iter().position(|frame| is(frame, &[TRAMPOLINE])) {
        let doubled = at > 0 && frames.get(at + 1) == frames.get(at - 1);
        frames.drain(at..=at + usize::from(doubled));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_tracing_are_no_part_of_what_happened() {
        let cleaned = |stack: &str| {
            let mut frames = stack.split(';').map(str::to_owned).collect();
            leave_out_tracing(&mut frames);
            frames.join(";")
        };
        let fault = "asm_exc_page_fault;exc_page_fault";
        assert_eq!(cleaned(&format!("{fault};bpf_trace_run3;bpf_prog_7a_fault;bpf_prog_7a_emit")), fault);
        assert_eq!(
            cleaned(&format!("{fault};__traceiter_page_fault_user;__bpf_trace_x;bpf_trace_run3;bpf_prog_a")),
            fault
        );
        assert_eq!(cleaned(&format!("{fault};__traceiter_x;bpf_trace_run3;a_module's_last_symbol")), fault);
        let moved =
            "do_syscall_64;__x64_sys_mbind;bpf_trampoline_644;__x64_sys_mbind;do_mbind;bpf_trampoline_645;bpf_prog_b";
        assert_eq!(cleaned(moved), "do_syscall_64;__x64_sys_mbind;do_mbind");
        assert_eq!(cleaned("bpf_trampoline_1;bpf_prog_1"), "");
        assert_eq!(cleaned("bpf_prog_run_xdp;net_rx_action"), "bpf_prog_run_xdp;net_rx_action");
    }
}
