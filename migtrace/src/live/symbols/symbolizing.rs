//! The thread that parses symbols. A large program takes seconds, or minutes on a slow machine: meanwhile the thread that
//! reads the rings still has to read mapping events, and the perf maps of processes that will exit.
//!
//! ELF symbols, DWARF and kallsyms are read by blazesym, the usual library of BPF tools.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::Duration,
};

use blazesym::{
    Pid,
    symbolize::{
        Input, Symbolized, Symbolizer,
        source::{Elf, Kernel, Process, Source},
    },
};

use super::{
    debug_files::DebugFiles,
    frame::{Names, in_frame},
    mini_debug_info::MiniDebugInfo,
    object_file::MappedFile,
};
use crate::clock;

/// How often the waiting thread does something else.
const WAIT: Duration = Duration::from_millis(20);

/// Where addresses are.
#[derive(Debug)]
pub(super) enum Place {
    Kernel,
    /// In a process that runs.
    Process(u32),
    /// Offsets in a file, which is now at this path.
    File(Arc<MappedFile>, PathBuf),
}

/// Starts requests, and waits for their answers.
pub(super) struct Symbolizing {
    requests: Option<Sender<Request>>,
    /// CPU time of the thread.
    cpu_ns: u64,
}

struct Request {
    place: Place,
    addresses: Vec<u64>,
    answer: Sender<Answer>,
}

struct Answer {
    /// By address; `None` after an error.
    names: Option<Vec<Names>>,
    cpu_ns: u64,
}

impl Symbolizing {
    /// Starts the thread, with the privileges of this one.
    ///
    /// # Errors
    /// If it cannot be created.
    pub(super) fn start() -> io::Result<Self> {
        let (requests, received) = mpsc::channel::<Request>();
        let run = move || answer(&received);
        thread::Builder::new().name("migtrace-names".to_owned()).spawn(run)?;
        Ok(Self { requests: Some(requests), cpu_ns: 0 })
    }

    /// A value without a thread: nothing has a name.
    pub(super) const fn none() -> Self {
        Self { requests: None, cpu_ns: 0 }
    }

    /// The functions at addresses, `None` after an error. Calls `meanwhile` again and again until they are known.
    pub(super) fn names(&mut self, place: Place, addresses: &[u64], mut meanwhile: impl FnMut()) -> Option<Vec<Names>> {
        let (answer, answered) = mpsc::channel();
        self.requests.as_ref()?.send(Request { place, addresses: addresses.to_vec(), answer }).ok()?;
        loop {
            match answered.recv_timeout(WAIT) {
                Ok(Answer { names, cpu_ns }) => {
                    self.cpu_ns = cpu_ns;
                    return names;
                }
                Err(RecvTimeoutError::Timeout) => meanwhile(),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// CPU time of the thread up to its last answer.
    pub(super) const fn cpu_ns(&self) -> u64 {
        self.cpu_ns
    }
}

/// Answers until no thread can send another request.
fn answer(requests: &Receiver<Request>) {
    let mut symbols = Symbols::with_debug_files(DebugFiles::default());
    for Request { place, addresses, answer } in requests {
        let names = symbols.names(&place, &addresses);
        // The waiting thread has ended.
        let _ = answer.send(Answer { names, cpu_ns: clock::thread_cpu_ns() });
    }
}

/// What has names, and what was parsed of it.
pub(super) struct Symbols {
    symbolizer: Symbolizer,
    mini: MiniDebugInfo,
    debug: DebugFiles,
}

impl Symbols {
    pub(super) fn with_debug_files(debug: DebugFiles) -> Self {
        Self { symbolizer: Symbolizer::new(), mini: MiniDebugInfo::default(), debug }
    }

    fn names(&mut self, place: &Place, addresses: &[u64]) -> Option<Vec<Names>> {
        match place {
            Place::Kernel => self.of(&Source::Kernel(Kernel::default()), addresses),
            Place::Process(pid) => Some(self.of_process(*pid, addresses)),
            Place::File(file, path) => addresses.iter().map(|&offset| self.in_file(file, path, offset)).collect(),
        }
    }

    fn of(&self, source: &Source, addresses: &[u64]) -> Option<Vec<Names>> {
        let symbols = self.symbolizer.symbolize(source, Input::AbsAddr(addresses));
        let symbols = symbols.inspect_err(|error| log::debug!("no names by {source:?}: {error:#}")).ok()?;
        Some(symbols.iter().map(names_of).collect())
    }

    /// One file that cannot be parsed fails all addresses, so that each is then looked up alone.
    fn of_process(&self, pid: u32, addresses: &[u64]) -> Vec<Names> {
        let mut process = Process::new(Pid::from(pid));
        process.perf_map = false;
        // blazesym has the image of 64-bit processes for all, which gives wrong names in others.
        process.vdso = false;
        let source = Source::Process(process);
        let alone = |address: &u64| self.of(&source, &[*address])?.pop()?;
        self.of(&source, addresses).unwrap_or_else(|| addresses.iter().map(alone).collect())
    }

    /// The functions at an offset of a file at a path; `None` after an error.
    pub(super) fn in_file(&mut self, file: &Arc<MappedFile>, path: &Path, offset: u64) -> Option<Names> {
        if let Some(debug) = self.debug.of(file, path)
            && let Some(address) = debug.address(offset)
            && let Ok(symbol) =
                self.symbolizer.symbolize_single(&Source::Elf(Elf::new(&debug.path)), Input::VirtOffset(address))
            && symbol.as_sym().is_some()
        {
            return Some(names_of(&symbol));
        }
        let symbol = self.symbolizer.symbolize_single(&Source::Elf(Elf::new(path)), Input::FileOffset(offset));
        if let Ok(symbol) = &symbol
            && symbol.as_sym().is_some()
        {
            return Some(names_of(symbol));
        }
        if let Some(mini) = self.mini.of(file, path) {
            return Some(mini.at_offset(offset).map(|name| vec![in_frame(&name)]));
        }
        symbol.inspect_err(|error| log::debug!("no names of {file:?}: {error:#}")).ok().map(|_| None)
    }
}

/// A function with the functions inlined into it, outermost first.
fn names_of(symbol: &Symbolized<'_>) -> Names {
    let symbol = symbol.as_sym()?;
    let names = std::iter::once(&symbol.name).chain(symbol.inlined.iter().map(|function| &function.name));
    Some(names.map(|name| in_frame(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its parser answers when the waiting thread has done something else three times.
    #[test]
    fn the_waiting_thread_does_something_else_meanwhile() {
        let (requests, received) = mpsc::channel::<Request>();
        let (done, enough) = mpsc::channel();
        let parser = thread::spawn(move || {
            let request = received.recv().unwrap();
            for () in enough.iter().take(3) {}
            request.answer.send(Answer { names: Some(vec![Some(vec!["slow".to_owned()])]), cpu_ns: 7 }).unwrap();
        });
        let mut symbolizing = Symbolizing { requests: Some(requests), cpu_ns: 0 };
        let names = symbolizing.names(Place::Kernel, &[1], || done.send(()).unwrap_or_default());
        assert_eq!(names, Some(vec![Some(vec!["slow".to_owned()])]));
        assert_eq!(symbolizing.cpu_ns(), 7);
        parser.join().unwrap();
        assert_eq!(symbolizing.names(Place::Kernel, &[1], || {}), None, "the parser has ended");
    }
}
