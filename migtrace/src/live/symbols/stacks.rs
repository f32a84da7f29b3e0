//! Function names of stacks. The kernel stores each stack once, and records have its number. Names are looked up when
//! records are released, from the mappings at the time of the stack. Parsing a program's symbols can take longer than
//! the process runs.
//!
//! Names come from kallsyms, and from ELF symbols and DWARF of mapped files, by blazesym, the usual library of BPF
//! tools.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use aya::maps::{MapData, StackTraceMap};
use blazesym::{
    Pid,
    symbolize::{
        Input, Symbolized, Symbolizer,
        source::{Elf, Kernel, Process, Source},
    },
};
use migtrace_common::record::{Header, SECOND_TABLE, STACK_NOT_KEPT};
use zerocopy::FromBytes;

use super::{mappings::Mappings, object_file::MappedFile};
use crate::event::escape_control;

/// Limit of stacks and files whose names are kept; beyond it all are evicted and looked up again.
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
    sources: Sources,
    symbolizer: Symbolizer,
    /// By number, and for user stacks by process; `None` if the kernel did not store it.
    names: HashMap<(Option<u32>, i32), Option<Arc<str>>>,
    /// Paths of mapped files; `None` if missing or replaced.
    files: HashMap<Arc<MappedFile>, Option<PathBuf>>,
}

impl Stacks {
    /// Reads the kernel's symbols, which takes some time.
    #[must_use]
    pub fn new(sources: Sources) -> Self {
        let symbolizer = Symbolizer::new();
        // Any address loads the symbols.
        let _ = symbolizer.symbolize(&Source::Kernel(Kernel::default()), Input::AbsAddr(&[u64::MAX]));
        Self { sources, symbolizer, names: HashMap::new(), files: HashMap::new() }
    }

    /// Reads mapping events. Call it whenever the rings are drained.
    pub fn drain(&mut self) {
        if let Some(mappings) = &mut self.sources.mappings {
            mappings.drain();
        }
    }

    /// Lost mapping events.
    #[must_use]
    pub fn lost_mappings(&mut self) -> u64 {
        self.sources.mappings.as_mut().map_or(0, Mappings::lost)
    }

    /// Reads the mappings of a record's process, if the record has a user stack. Call it as soon as the record is read.
    pub fn see(&mut self, record: &[u8]) {
        if let Ok((header, _)) = Header::read_from_prefix(record)
            && header.user_stack >= 0
            && let Some(mappings) = &mut self.sources.mappings
        {
            mappings.read_earlier(header.pid);
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
        let pid = process.map(|(pid, _)| pid);
        if let Some(known) = self.names.get(&(pid, number)) {
            return known.clone();
        }
        // Parsing symbols takes some time, during which other processes start.
        self.drain();
        let stack = self.sources.tables[usize::from(number & SECOND_TABLE != 0)].get(&key, 0).ok()?;
        let addresses: Vec<u64> = stack.frames().iter().map(|frame| frame.ip).filter(|&ip| ip != 0).collect();
        let names: Option<Arc<str>> =
            Some(self.names_of(process, &addresses)).filter(|names| !names.is_empty()).map(Arc::from);
        if self.names.len() == KEPT {
            self.names.clear();
        }
        self.names.insert((pid, number), names.clone());
        names
    }

    /// Input is innermost first, output outermost first. A frame without a name is shown as its address.
    fn names_of(&mut self, process: Option<(u32, u64)>, addresses: &[u64]) -> String {
        let of_file = |&address| process.and_then(|(pid, at_ns)| self.name_in_file(pid, at_ns, address));
        let mut named: Vec<_> = addresses.iter().map(of_file).collect();
        let source = match process {
            None => Some(Source::Kernel(Kernel::default())),
            // As long as it runs that program, its mapped files can be opened through it, in any container.
            Some((pid, at_ns)) if self.is_current(pid, at_ns) => Some(Source::Process(Process::new(Pid::from(pid)))),
            Some(_) => None,
        };
        if let Some(source) = source.filter(|_| named.contains(&None)) {
            // After an error, addresses are shown.
            let symbols = self.symbolizer.symbolize(&source, Input::AbsAddr(addresses)).unwrap_or_else(|error| {
                log::debug!("no names for the stack of {process:?}: {error:#}");
                Vec::new()
            });
            for (names, symbol) in named.iter_mut().zip(&symbols) {
                *names = names.take().or_else(|| names_of(symbol));
            }
        }
        let frames = named.into_iter().zip(addresses).rev();
        let mut frames: Vec<_> =
            frames.flat_map(|(names, address)| names.unwrap_or_else(|| vec![nameless(*address)])).collect();
        if process.is_none() {
            leave_out_tracing(&mut frames);
        }
        frames.join(";")
    }

    fn is_current(&self, pid: u32, at_ns: u64) -> bool {
        self.sources.mappings.as_ref().is_none_or(|mappings| mappings.is_current(pid, at_ns))
    }

    /// The functions at an address of a process, from the file that it had mapped there. The address itself, if the
    /// file has no name for it. `None` if the file is unknown or missing.
    fn name_in_file(&mut self, pid: u32, at_ns: u64, address: u64) -> Option<Vec<String>> {
        let (file, offset) = self.sources.mappings.as_ref()?.find(pid, at_ns, address)?;
        if self.files.len() == KEPT {
            self.files.clear();
        }
        let path = self.files.entry(Arc::clone(file)).or_insert_with(|| file.path().map(Path::to_path_buf)).clone()?;
        let source = Source::Elf(Elf::new(path));
        match self.symbolizer.symbolize_single(&source, Input::FileOffset(offset)) {
            Ok(symbol) => Some(names_of(&symbol).unwrap_or_else(|| vec![nameless(address)])),
            Err(error) => {
                log::debug!("no names of {file:?}: {error:#}");
                None
            }
        }
    }
}

/// A frame without a name.
fn nameless(address: u64) -> String {
    format!("{address:#x}")
}

/// A function with the functions inlined into it, outermost first.
fn names_of(symbol: &Symbolized<'_>) -> Option<Vec<String>> {
    let symbol = symbol.as_sym()?;
    let names = std::iter::once(&symbol.name).chain(symbol.inlined.iter().map(|function| &function.name));
    // A separator in a name would split the frame.
    Some(names.map(|name| escape_control(name).replace(';', ":")).collect())
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
