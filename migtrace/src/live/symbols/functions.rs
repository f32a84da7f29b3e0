//! Names of functions at addresses: of the kernel from kallsyms, of processes from the files that they had mapped and from
//! perf maps. Which addresses belong together is [`super::stacks`]'s, and [`super::symbolizing`] parses files.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    frame::{Names, in_frame, nameless},
    mappings::Mappings,
    object_file::{Identity, MappedFile},
    perf_maps::{PerfMaps, Program, Rejected, Why},
    symbolizing::{Place, Symbolizing},
    vdso,
};
use crate::clock;

/// Limit of files that are kept; beyond it all are evicted and looked up again.
const KEPT: usize = 1 << 16;
/// Limit of forks between a process and the one whose perf map has its functions.
const GENERATIONS: usize = 8;

/// What names functions.
pub(super) struct Functions {
    symbolizing: Symbolizing,
    mappings: Option<Mappings>,
    perf_maps: PerfMaps,
    /// Paths of mapped files; `None` if missing or replaced.
    files: HashMap<Arc<MappedFile>, Option<PathBuf>>,
}

impl Functions {
    /// Reads the kernel's symbols, which takes some time.
    pub(super) fn new(mappings: Option<Mappings>) -> Self {
        let symbolizing = Symbolizing::start().unwrap_or_else(|error| {
            log::warn!("stacks have no names: cannot start a thread: {error}");
            Symbolizing::none()
        });
        let mut functions = Self { symbolizing, mappings, perf_maps: PerfMaps::new(), files: HashMap::new() };
        // Any address loads the symbols.
        functions.of_kernel(&[u64::MAX]);
        functions
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
        let Self { mappings, perf_maps, .. } = self;
        let look = |program| match runs(mappings.as_ref(), program, now_ns) {
            true => perf_maps.look(program, now_ns, why),
            false => perf_maps.version(program),
        };
        programs.into_iter().map(look).sum()
    }

    /// Names in the kernel.
    pub(super) fn of_kernel(&mut self, addresses: &[u64]) -> Vec<Names> {
        self.symbolize(Place::Kernel, addresses).unwrap_or_else(|| vec![None; addresses.len()])
    }

    /// CPU time of the thread that parses symbols.
    pub(super) const fn cpu_ns(&self) -> u64 {
        self.symbolizing.cpu_ns()
    }

    /// Names in a process at a time, by the boot clock.
    pub(super) fn of_process(&mut self, pid: u32, at_ns: u64, addresses: &[u64]) -> Vec<Names> {
        let mut named: Vec<_> = addresses.iter().map(|&address| self.of_address(pid, at_ns, address)).collect();
        // As long as it runs that program, its mapped files can be opened through it, in any container.
        if named.contains(&None) && self.is_current(pid, at_ns) {
            let symbols = self.symbolize(Place::Process(pid), addresses).unwrap_or_default();
            for (names, symbol) in named.iter_mut().zip(symbols) {
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

    /// Parsing symbols can take longer than processes run: meanwhile it reads what is gone after their exit.
    fn symbolize(&mut self, place: Place, addresses: &[u64]) -> Option<Vec<Names>> {
        let Self { symbolizing, mappings, perf_maps, .. } = self;
        symbolizing.names(place, addresses, || {
            if let Some(mappings) = mappings {
                mappings.drain();
            }
            let now_ns = clock::boot_ns();
            perf_maps.look_at_all(now_ns, |program| runs(mappings.as_ref(), program, now_ns));
        })
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
        if file.identity == Identity::Vdso {
            return Some(vec![vdso::function(offset).map_or_else(|| nameless(address), |name| in_frame(&name))]);
        }
        if self.files.len() == KEPT {
            self.files.clear();
        }
        let path = self.files.entry(Arc::clone(file)).or_insert_with(|| file.path().map(Path::to_path_buf)).clone()?;
        let file = Arc::clone(file);
        let name = self.symbolize(Place::File(file, path), &[offset])?.pop()?;
        Some(name.unwrap_or_else(|| vec![nameless(address)]))
    }
}

/// Whether no other program was executed in the process since: the perf map of that one has the same path.
fn runs(mappings: Option<&Mappings>, program: Program, now_ns: u64) -> bool {
    mappings.is_none_or(|mappings| mappings.program(program.0, now_ns) == program)
}
