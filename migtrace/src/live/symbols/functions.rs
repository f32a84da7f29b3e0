//! Names of functions at addresses: of the kernel from kallsyms, of processes from the files that they had mapped and from
//! perf maps. Which addresses belong together is [`super::stacks`]'s.
//!
//! ELF symbols, DWARF and kallsyms are read by blazesym, the usual library of BPF tools.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use blazesym::{
    Pid,
    symbolize::{
        Input, Symbolized, Symbolizer,
        source::{Elf, Kernel, Process, Source},
    },
};

use super::{
    mappings::Mappings,
    object_file::MappedFile,
    perf_maps::{PerfMaps, Program, Rejected, Why},
};
use crate::{clock, event::escape_control};

/// Limit of files that are kept; beyond it all are evicted and looked up again.
const KEPT: usize = 1 << 16;
/// Limit of forks between a process and the one whose perf map has its functions.
const GENERATIONS: usize = 8;

/// Functions at an address, outermost first; `None` if nothing names them.
pub(super) type Names = Option<Vec<String>>;

/// What names functions.
pub(super) struct Functions {
    symbolizer: Symbolizer,
    mappings: Option<Mappings>,
    perf_maps: PerfMaps,
    /// Paths of mapped files; `None` if missing or replaced.
    files: HashMap<Arc<MappedFile>, Option<PathBuf>>,
}

impl Functions {
    /// Reads the kernel's symbols, which takes some time.
    pub(super) fn new(mappings: Option<Mappings>) -> Self {
        let symbolizer = Symbolizer::new();
        // Any address loads the symbols.
        let _ = symbolizer.symbolize(&Source::Kernel(Kernel::default()), Input::AbsAddr(&[u64::MAX]));
        Self { symbolizer, mappings, perf_maps: PerfMaps::new(), files: HashMap::new() }
    }

    /// Reads mapping events.
    pub(super) fn drain(&mut self) {
        if let Some(mappings) = &mut self.mappings {
            mappings.drain();
        }
    }

    /// Lost mapping events.
    pub(super) fn lost_mappings(&mut self) -> u64 {
        self.mappings.as_mut().map_or(0, Mappings::lost)
    }

    /// What was not used of perf maps.
    pub(super) fn rejected(&self) -> &Rejected {
        self.perf_maps.rejected()
    }

    /// Reads the earlier mappings of a process. Call it as soon as the process has a stack.
    pub(super) fn read_earlier(&mut self, pid: u32) {
        if let Some(mappings) = &mut self.mappings {
            mappings.read_earlier(pid);
        }
    }

    /// The program that a process ran at a time.
    pub(super) fn program(&self, pid: u32, at_ns: u64) -> Program {
        self.mappings.as_ref().map_or((pid, 0), |mappings| mappings.program(pid, at_ns))
    }

    /// Opens the perf maps of a program and of those it was forked from, and reads what was added. Call it while the
    /// process is there. The result differs if the contents changed.
    pub(super) fn look(&mut self, program: Program, why: Why) -> u64 {
        let now_ns = clock::boot_ns();
        let programs = self.with_ancestors(program);
        programs.into_iter().map(|program| self.perf_maps.look(program, now_ns, why)).sum()
    }

    /// Names in the kernel.
    pub(super) fn of_kernel(&self, addresses: &[u64]) -> Vec<Names> {
        self.symbolize(&Source::Kernel(Kernel::default()), addresses)
    }

    /// Names in a process at a time, by the boot clock.
    pub(super) fn of_process(&mut self, pid: u32, at_ns: u64, addresses: &[u64]) -> Vec<Names> {
        let mut named: Vec<_> = addresses.iter().map(|&address| self.of_address(pid, at_ns, address)).collect();
        // As long as it runs that program, its mapped files can be opened through it, in any container.
        if named.contains(&None) && self.is_current(pid, at_ns) {
            let mut process = Process::new(Pid::from(pid));
            process.perf_map = false;
            for (names, symbol) in named.iter_mut().zip(self.symbolize(&Source::Process(process), addresses)) {
                *names = names.take().or(symbol);
            }
        }
        named
    }

    /// Whether an address is in code that the process generated, so that no file has its name.
    pub(super) fn is_generated(&self, pid: u32, at_ns: u64, address: u64) -> bool {
        let found = self.mappings.as_ref().and_then(|mappings| mappings.find(pid, at_ns, address));
        found.is_none_or(|(file, _)| file.is_memory())
    }

    /// After an error there are no names.
    fn symbolize(&self, source: &Source, addresses: &[u64]) -> Vec<Names> {
        match self.symbolizer.symbolize(source, Input::AbsAddr(addresses)) {
            Ok(symbols) => symbols.iter().map(names_of).collect(),
            Err(error) => {
                log::debug!("no names by {source:?}: {error:#}");
                vec![None; addresses.len()]
            }
        }
    }

    fn of_address(&mut self, pid: u32, at_ns: u64, address: u64) -> Names {
        let in_file = self.in_file(pid, at_ns, address);
        if in_file.is_some() || !self.is_generated(pid, at_ns, address) {
            return in_file;
        }
        let programs = self.with_ancestors(self.program(pid, at_ns));
        let name = programs.into_iter().find_map(|program| self.perf_maps.find(program, address))?;
        Some(vec![in_frame(&name)])
    }

    /// A program and those it was forked from: a child runs the code that they generated.
    fn with_ancestors(&self, program: Program) -> Vec<Program> {
        let parent = |program: &Program| self.mappings.as_ref()?.forked_from(*program);
        std::iter::successors(Some(program), parent).take(GENERATIONS).collect()
    }

    fn is_current(&self, pid: u32, at_ns: u64) -> bool {
        self.mappings.as_ref().is_none_or(|mappings| mappings.is_current(pid, at_ns))
    }

    /// The functions at an address of a process, from the file that it had mapped there. The address itself, if the
    /// file has no name for it. `None` if the file is unknown or missing.
    fn in_file(&mut self, pid: u32, at_ns: u64, address: u64) -> Names {
        let (file, offset) = self.mappings.as_ref()?.find(pid, at_ns, address)?;
        if self.files.len() == KEPT {
            self.files.clear();
        }
        let path = self.files.entry(Arc::clone(file)).or_insert_with(|| file.path().map(Path::to_path_buf)).clone()?;
        match self.symbolizer.symbolize_single(&Source::Elf(Elf::new(path)), Input::FileOffset(offset)) {
            Ok(symbol) => Some(names_of(&symbol).unwrap_or_else(|| vec![nameless(address)])),
            Err(error) => {
                log::debug!("no names of {file:?}: {error:#}");
                None
            }
        }
    }
}

/// A frame without a name.
pub(super) fn nameless(address: u64) -> String {
    format!("{address:#x}")
}

/// A function with the functions inlined into it, outermost first.
fn names_of(symbol: &Symbolized<'_>) -> Names {
    let symbol = symbol.as_sym()?;
    let names = std::iter::once(&symbol.name).chain(symbol.inlined.iter().map(|function| &function.name));
    Some(names.map(|name| in_frame(name)).collect())
}

/// A separator in a name would split the frame.
fn in_frame(name: &str) -> String {
    escape_control(name).replace(';', ":")
}
