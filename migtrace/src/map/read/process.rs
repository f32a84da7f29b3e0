//! Reads the map of a process.

use std::{collections::HashMap, io, thread};

use thiserror::Error;

use super::{
    frames::FrameNodes,
    mappings::{self, Mapping},
    pagemap::Pagemap,
    pages::{Ended, Pages},
    threads,
    zero::ZeroPages,
};
use crate::{
    clock,
    event::ProcessId,
    live::process_start::TICK_NS,
    map::{
        cells::Cells,
        model::{HugeFrom, Map, Region, Sources},
        place::{Place, Run},
    },
};

/// Why a process has no map.
#[derive(Debug, Error)]
pub enum ReadError {
    #[error("no process {0}")]
    NoProcess(u32),
    #[error("process {0} has exited")]
    Zombie(u32),
    #[error("process {0} has no memory of its own: it is a kernel thread")]
    NoMemory(u32),
    #[error("process {0} exited or executed another program while it was read; there is no map")]
    Gone(u32),
    #[error("cannot read /proc/{0}/pagemap: permission denied; run as root, or as the user of the process")]
    Denied(u32),
    #[error("this kernel has no /proc/PID/pagemap (CONFIG_PROC_PAGE_MONITOR)")]
    NoPagemap,
    #[error("cannot read the pages of process {pid}")]
    Failed { pid: u32, source: io::Error },
}

/// Reads maps of one process.
pub struct Reader {
    process: ProcessId,
    comm: String,
    resident_pages: u64,
    map: Pagemap,
    frames: FrameNodes,
    zero: ZeroPages,
}

impl Reader {
    /// Opens a process.
    ///
    /// # Errors
    /// There is no such process, it has no memory, or may not be read.
    pub fn open(pid: u32) -> Result<Self, ReadError> {
        let process = threads::process(pid).map_err(|_| ReadError::NoProcess(pid))?;
        if matches!(process.state, 'Z' | 'X') {
            return Err(ReadError::Zombie(pid));
        }
        let map = Pagemap::open(&pid.to_string()).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => ReadError::Denied(pid),
            io::ErrorKind::NotFound if threads::process(pid).is_ok() => ReadError::NoPagemap,
            io::ErrorKind::NotFound => ReadError::NoProcess(pid),
            // Since Linux 6.16; before, it opens a file without contents.
            _ if error.raw_os_error() == Some(libc::ESRCH) && threads::process(pid).is_ok() => ReadError::NoMemory(pid),
            _ if error.raw_os_error() == Some(libc::ESRCH) => ReadError::NoProcess(pid),
            _ => failed(pid, error),
        })?;
        Ok(Self {
            process: ProcessId { pid, start_ns: Some(process.start_ticks * TICK_NS) },
            comm: process.comm,
            resident_pages: process.resident_pages,
            map,
            frames: FrameNodes::read(),
            zero: ZeroPages::open(),
        })
    }

    /// Reads the map. `progress` gets the pages read so far, and the estimated number of all.
    ///
    /// # Errors
    /// The process is gone, or its files cannot be read.
    pub fn read(&self, keep_runs: bool, progress: &mut dyn FnMut(u64, u64)) -> Result<Map, ReadError> {
        let pid = self.process.pid;
        let begin_ns = clock::boot_ns();
        // The kernel walks the pages of all mappings for their policies, which takes as long as reading the page tables.
        let (map, policies) = thread::scope(|scope| {
            let policies = scope.spawn(move || mappings::policies(pid));
            (self.pages(keep_runs, progress), policies.join().unwrap_or_default())
        });
        let mut map = map?;
        for region in &mut map.regions {
            let numa = policies.get(&region.start);
            region.kind = mappings::kind(&region.name, numa);
            region.policy = numa.map(|numa| numa.policy.clone());
        }
        map.begin_ns = begin_ns;
        map.end_ns = clock::boot_ns();
        Ok(map)
    }

    /// Reads all but policies.
    fn pages(&self, keep_runs: bool, progress: &mut dyn FnMut(u64, u64)) -> Result<Map, ReadError> {
        let pid = self.process.pid;
        let mappings = mappings::read(pid).map_err(|error| self.error(error.into()))?;
        if mappings.is_empty() {
            return Err(if self.exists() { ReadError::NoMemory(pid) } else { ReadError::Gone(pid) });
        }
        let (huge, smaps) = self.huge_from();
        let mut pages = Pages::new(pid, &self.map, &self.frames, self.zero.again());
        let mut map = self.empty(huge);
        let mut done = 0;
        for mapping in mappings {
            let mut region = region(mapping, huge, &smaps);
            let (addresses, cells) = (region.start..region.end, &mut map.cells);
            let mut take = |run: Run, is_huge: Option<bool>| {
                region.counts.add(run.place, run.pages);
                cells.add(&run);
                if is_huge == Some(true) && matches!(run.place, Place::Node(_) | Place::UnknownNode) {
                    region.huge = region.huge.map(|pages| pages + run.pages);
                }
                if keep_runs {
                    run.append(&mut region.runs);
                }
                done += run.pages;
                progress(done, self.resident_pages);
            };
            pages.region(&addresses, &mut take).map_err(|ended| self.error(ended))?;
            map.regions.push(region);
        }
        self.check_that_it_is_there(&map)?;
        map.sources.by_frame = pages.found.by_frame;
        map.sources.by_move_pages = pages.found.by_move_pages;
        map.sources.refused = pages.found.refused;
        Ok(map)
    }

    /// A map without regions.
    fn empty(&self, huge: HugeFrom) -> Map {
        Map {
            process: self.process,
            comm: self.comm.clone(),
            begin_ns: 0,
            end_ns: 0,
            regions: Vec::new(),
            threads: threads::by_node(self.process.pid),
            sources: Sources { by_frame: 0, by_move_pages: 0, refused: None, ranges: self.frames.from, huge },
            cells: Cells::for_pages(self.resident_pages),
        }
    }

    /// What shows huge pages, and what smaps shows of them.
    fn huge_from(&self) -> (HugeFrom, HashMap<u64, u64>) {
        if self.map.scans() {
            return (HugeFrom::PagemapScan, HashMap::new());
        }
        match mappings::huge_pages(self.process.pid) {
            Ok(pages) => (HugeFrom::Smaps, pages),
            Err(_) => (HugeFrom::Nothing, HashMap::new()),
        }
    }

    /// A scan of an address space that is gone finds nothing, without an error; a read returns nothing.
    fn check_that_it_is_there(&self, map: &Map) -> Result<(), ReadError> {
        let start = map.regions.first().map_or(0, |region| region.start);
        match self.map.entries(start, &mut [0]) {
            Ok(0) => Err(ReadError::Gone(self.process.pid)),
            Ok(_) => Ok(()),
            Err(error) => Err(self.error(error.into())),
        }
    }

    /// Whether the process still runs.
    #[must_use]
    pub fn exists(&self) -> bool {
        let now = threads::process(self.process.pid).ok().filter(|now| !matches!(now.state, 'Z' | 'X'));
        now.is_some_and(|now| Some(now.start_ticks * TICK_NS) == self.process.start_ns)
    }

    fn error(&self, ended: Ended) -> ReadError {
        match ended {
            Ended::Error(error) if self.exists() => failed(self.process.pid, error),
            _ => ReadError::Gone(self.process.pid),
        }
    }
}

fn failed(pid: u32, source: io::Error) -> ReadError {
    match source.kind() {
        io::ErrorKind::PermissionDenied => ReadError::Denied(pid),
        _ => ReadError::Failed { pid, source },
    }
}

/// A region whose pages are not read yet.
fn region(mapping: Mapping, huge: HugeFrom, smaps: &HashMap<u64, u64>) -> Region {
    let start = mapping.addresses.start;
    Region {
        start,
        end: mapping.addresses.end,
        permissions: mapping.permissions,
        name: mapping.name,
        huge: match huge {
            HugeFrom::PagemapScan => Some(0),
            HugeFrom::Smaps => Some(smaps.get(&start).copied().unwrap_or(0)),
            HugeFrom::Nothing | HugeFrom::Census => None,
        },
        ..Region::default()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        process::{Command, Stdio},
    };

    use super::*;

    /// Without the last check, a scan of an address space that is gone would show a process without pages.
    #[test]
    fn a_process_that_is_gone_has_no_map() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("cat");
        let reader = Reader::open(child.id()).expect("there");
        child.kill().expect("there");
        let gone = |read: Result<Map, ReadError>| matches!(read, Err(ReadError::Gone(_)));
        while reader.exists() {
            std::thread::yield_now();
        }
        assert!(gone(reader.read(false, &mut |_, _| {})));
        child.wait().expect("waited");
        assert!(gone(reader.read(false, &mut |_, _| {})));
        assert!(matches!(Reader::open(child.id()), Err(ReadError::NoProcess(_))));
    }

    #[test]
    fn a_process_has_a_map_with_all_its_pages() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("cat");
        // From its answer on, it has been executed.
        child.stdin.as_mut().expect("a pipe").write_all(b"x").expect("written");
        child.stdout.as_mut().expect("a pipe").read_exact(&mut [0]).expect("read");
        let mut last = 0;
        let map = Reader::open(child.id()).and_then(|reader| reader.read(true, &mut |done, _| last = done));
        child.kill().expect("there");
        child.wait().expect("waited");
        let map = map.expect("read");
        let runs: u64 = map.regions.iter().flat_map(|region| &region.runs).map(|run| run.pages).sum();
        assert!(map.counts().in_memory() > 50);
        assert_eq!((map.counts().total(), map.cells.all().iter().map(|(_, c)| c.total()).sum()), (runs, last));
        assert_eq!(map.sources.by_frame + map.sources.by_move_pages, map.counts().in_memory());
    }
}
