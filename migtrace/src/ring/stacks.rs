//! Stacks by name. The kernel keeps each stack once and gives records its number; the frames are read and given names when a
//! number is first seen, for a process that has ended cannot be asked any more.
//!
//! Names come from kallsyms, and from ELF symbols and DWARF of what a process has mapped, through blazesym: the library that
//! the BPF world keeps for that.

use std::{collections::HashMap, fmt::Write, sync::Arc};

use aya::maps::{MapData, StackTraceMap};
use blazesym::{
    Pid,
    symbolize::{
        Input, Symbolized, Symbolizer,
        source::{Kernel, Process, Source},
    },
};
use migtrace_common::record::Header;
use zerocopy::FromBytes;

use crate::event::escape_control;

/// Stacks whose names are kept; beyond, all are forgotten and found anew.
const KEPT: usize = 1 << 16;

/// Names of stacks so far, joined by `;`, outermost first.
pub struct Stacks {
    frames: StackTraceMap<MapData>,
    symbolizer: Symbolizer,
    /// By number, and for a user's stack by process; `None`: the kernel did not keep it.
    names: HashMap<(Option<u32>, i32), Option<Arc<str>>>,
}

impl Stacks {
    /// Of the programs' map of stacks.
    #[must_use]
    pub fn new(frames: StackTraceMap<MapData>) -> Self {
        Self { frames, symbolizer: Symbolizer::new(), names: HashMap::new() }
    }

    /// Finds the names of a record's stacks, as long as its process is there.
    pub fn see(&mut self, record: &[u8]) {
        if let Ok((header, _)) = Header::read_from_prefix(record) {
            self.of(&header);
        }
    }

    /// The names of a record's stacks: the kernel's and the user's.
    pub fn of_record(&mut self, record: &[u8]) -> (Option<Arc<str>>, Option<Arc<str>>) {
        Header::read_from_prefix(record).map_or((None, None), |(header, _)| self.of(&header))
    }

    fn of(&mut self, header: &Header) -> (Option<Arc<str>>, Option<Arc<str>>) {
        (self.named(None, header.kernel_stack), self.named(Some(header.pid), header.user_stack))
    }

    fn named(&mut self, pid: Option<u32>, number: i32) -> Option<Arc<str>> {
        // Negative: there is none.
        let key = u32::try_from(number).ok()?;
        if let Some(known) = self.names.get(&(pid, number)) {
            return known.clone();
        }
        let stack = self.frames.get(&key, 0).ok()?;
        let addresses: Vec<u64> = stack.frames().iter().map(|frame| frame.ip).filter(|&ip| ip != 0).collect();
        let names: Option<Arc<str>> = (!addresses.is_empty()).then(|| self.names_of(pid, &addresses).into());
        if self.names.len() == KEPT {
            self.names.clear();
        }
        self.names.insert((pid, number), names.clone());
        names
    }

    /// Innermost first in, outermost first out. A frame without a name is its address.
    fn names_of(&self, pid: Option<u32>, addresses: &[u64]) -> String {
        let source = match pid {
            None => Source::Kernel(Kernel::default()),
            Some(pid) => Source::Process(Process::new(Pid::from(pid))),
        };
        // An error, such as that the process has ended, leaves addresses.
        let symbols = self.symbolizer.symbolize(&source, Input::AbsAddr(addresses)).unwrap_or_default();
        let mut names = String::new();
        for (number, address) in addresses.iter().enumerate().rev() {
            let separator = if names.is_empty() { "" } else { ";" };
            match symbols.get(number) {
                Some(Symbolized::Sym(symbol)) => {
                    let inlined = symbol.inlined.iter().map(|function| &function.name);
                    let mut separator = separator;
                    for name in std::iter::once(&symbol.name).chain(inlined) {
                        // A separator within a name would make two frames of one.
                        let _ = write!(names, "{separator}{}", escape_control(name).replace(';', ":"));
                        separator = ";";
                    }
                }
                _ => {
                    let _ = write!(names, "{separator}{address:#x}");
                }
            }
        }
        names
    }
}
