//! Stacks by name. The kernel keeps each stack once and gives records its number. What a process maps is remembered as soon as
//! a record of it is taken from its ring, for one that has ended cannot be asked any more; names are found later, for parsing a
//! program's symbols takes longer than many a process lives.
//!
//! Names come from kallsyms, and from ELF symbols and DWARF of what a process has mapped, through blazesym: the library that
//! the BPF world keeps for that.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, LazyLock},
};

use aya::maps::{MapData, StackTraceMap};
use blazesym::{
    Pid,
    symbolize::{
        Input, Symbolized, Symbolizer, cache, evict,
        source::{Kernel, Process, Source},
    },
};
use migtrace_common::{
    kinds::RecordKind,
    record::{Header, SECOND_TABLE, STACK_NOT_KEPT},
};
use zerocopy::FromBytes;

use crate::event::escape_control;

/// Stacks whose names are kept, and whose processes are remembered; beyond, all are forgotten and found anew.
const KEPT: usize = 1 << 16;
/// Stands for a stack that there was, where the kernel's tables had no place for it.
static NOT_KEPT: LazyLock<Arc<str>> = LazyLock::new(|| "[not kept]".into());
/// Processes whose mappings are remembered.
const PROCESSES: usize = 1 << 12;

/// Names of stacks so far, joined by `;`, outermost first.
pub struct Stacks {
    tables: [StackTraceMap<MapData>; 2],
    symbolizer: Symbolizer,
    /// By number, and for a user's stack by process; `None`: the kernel did not keep it.
    names: HashMap<(Option<u32>, i32), Option<Arc<str>>>,
    /// User's stacks, by process and number, since which the process's mappings are remembered.
    seen: HashSet<(u32, i32)>,
    /// Processes whose mappings are remembered.
    processes: HashSet<u32>,
}

impl Stacks {
    /// Of the programs' tables of stacks. Reads the kernel's symbols, which takes a while.
    #[must_use]
    pub fn new(tables: [StackTraceMap<MapData>; 2]) -> Self {
        let symbolizer = Symbolizer::new();
        // Any address will do.
        let _ = symbolizer.symbolize(&Source::Kernel(Kernel::default()), Input::AbsAddr(&[u64::MAX]));
        Self { tables, symbolizer, names: HashMap::new(), seen: HashSet::new(), processes: HashSet::new() }
    }

    /// Remembers what a record's process maps, where the record may come of something new: a stack that was not seen
    /// before, or a mapping. To be called as soon as there is a record.
    pub fn see(&mut self, record: &[u8]) {
        let Ok((header, _)) = Header::read_from_prefix(record) else { return };
        let is_new = header.user_stack >= 0 && self.seen.insert((header.pid, header.user_stack));
        if is_new || header.kind == RecordKind::REGION.0 {
            self.remember(header.pid);
        }
        if self.seen.len() == KEPT {
            self.seen.clear();
        }
    }

    fn remember(&mut self, pid: u32) {
        if self.processes.len() == PROCESSES {
            for pid in self.processes.drain() {
                let _ = self.symbolizer.evict(&evict::Process::new(Pid::from(pid)).into());
            }
        }
        self.processes.insert(pid);
        // Of a process that has ended stays what was remembered: until it is reaped it has a list of mappings, an empty one.
        if std::fs::read_link(format!("/proc/{pid}/exe")).is_err() {
            return;
        }
        let _ = self.symbolizer.cache(&cache::Process::new(Pid::from(pid)).into());
    }

    /// The names of a record's stacks: the kernel's and the user's.
    pub fn of_record(&mut self, record: &[u8]) -> (Option<Arc<str>>, Option<Arc<str>>) {
        Header::read_from_prefix(record).map_or((None, None), |(header, _)| self.of(&header))
    }

    fn of(&mut self, header: &Header) -> (Option<Arc<str>>, Option<Arc<str>>) {
        (self.named(None, header.kernel_stack), self.named(Some(header.pid), header.user_stack))
    }

    fn named(&mut self, pid: Option<u32>, number: i32) -> Option<Arc<str>> {
        if number == STACK_NOT_KEPT {
            return Some(NOT_KEPT.clone());
        }
        // Negative: there is none.
        let key = u32::try_from(number & !SECOND_TABLE).ok()?;
        if let Some(known) = self.names.get(&(pid, number)) {
            return known.clone();
        }
        let stack = self.tables[usize::from(number & SECOND_TABLE != 0)].get(&key, 0).ok()?;
        let addresses: Vec<u64> = stack.frames().iter().map(|frame| frame.ip).filter(|&ip| ip != 0).collect();
        let names: Option<Arc<str>> =
            Some(self.names_of(pid, &addresses)).filter(|names| !names.is_empty()).map(Arc::from);
        if self.names.len() == KEPT {
            self.names.clear();
        }
        self.names.insert((pid, number), names.clone());
        names
    }

    /// Innermost first in, outermost first out. A frame without a name is its address.
    fn names_of(&self, pid: Option<u32>, addresses: &[u64]) -> String {
        let symbolize = |source| self.symbolizer.symbolize(&source, Input::AbsAddr(addresses));
        let symbols = match pid {
            None => symbolize(Source::Kernel(Kernel::default())),
            Some(pid) => {
                let process = |map_files| Source::Process(Process { map_files, ..Process::new(Pid::from(pid)) });
                // What it has mapped is there, in whatever container, as long as it is; then the files may be, by their names.
                symbolize(process(true)).or_else(|_| symbolize(process(false)))
            }
        };
        // An error leaves addresses.
        let symbols = symbols.unwrap_or_else(|error| {
            log::debug!("no names for the stack of {pid:?}: {error:#}");
            Vec::new()
        });
        let mut frames = Vec::with_capacity(addresses.len());
        for (number, address) in addresses.iter().enumerate().rev() {
            match symbols.get(number) {
                Some(Symbolized::Sym(symbol)) => {
                    let inlined = symbol.inlined.iter().map(|function| &function.name);
                    // A separator within a name would make two frames of one.
                    let names = std::iter::once(&symbol.name).chain(inlined);
                    frames.extend(names.map(|name| escape_control(name).replace(';', ":")));
                }
                _ => frames.push(format!("{address:#x}")),
            }
        }
        if pid.is_none() {
            leave_out_tracing(&mut frames);
        }
        frames.join(";")
    }
}

/// Frames of the kernel, outermost first, without those by which it comes to a BPF program.
fn leave_out_tracing(frames: &mut Vec<String>) {
    // From where a trace event calls its programs, whatever the frames of those are taken for.
    const EVENTS: [&str; 3] = ["bpf_trace_run", "__bpf_trace_", "__traceiter_"];
    const PROGRAM: &str = "bpf_prog_";
    const TRAMPOLINE: &str = "bpf_trampoline_";
    let is = |frame: &String, prefixes: &[&str]| prefixes.iter().any(|prefix| frame.starts_with(prefix));
    let event = frames.iter().position(|frame| is(frame, &EVENTS));
    frames.truncate(event.unwrap_or(frames.len()));
    while frames.last().is_some_and(|frame| is(frame, &[PROGRAM, TRAMPOLINE])) {
        frames.pop();
    }
    // A function that is watched to its end calls a trampoline, which calls the rest of the function.
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
