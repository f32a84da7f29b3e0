//! Runs commands.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use crate::{
    advice::Advice,
    command::{Command, USAGES},
    count::count,
    cpus::{self, Cpus},
    errno::{self, CallError},
    mapping::{Mapping, Mismatch},
    numa,
    page_nodes::{PageNodes, PageNodesError},
    parse::{self, Step},
    policy::{self, Mode, Nodes},
    segments::{Part, Segments},
    size::{Extent, Size, page_size},
};

/// Maximum pages that `where` lists if the command names no part of the segment.
const WHERE_PAGES: usize = 64;
/// The status of a page that the kernel did not set: neither a node nor an error.
const UNSET: i32 = i32::MIN;
/// The beginning of a line of output.
const PREFIX: &str = "memtoy: ";

/// Why a command ended a script.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command names a segment or pages that do not exist or are in the wrong state.
    #[error("{0}")]
    Input(String),
    #[error("{call}: {}", errno::describe(*.errno))]
    Call { call: &'static str, errno: i32 },
    #[error("{segment} page {page} byte {offset:#x}: found {found:#018x}, expected {expected:#018x}")]
    Contents { segment: String, page: usize, offset: usize, expected: u64, found: u64 },
    #[error("expected {0} to fail, but it succeeded")]
    NoFailure(String),
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

impl From<CallError> for Failure {
    fn from(e: CallError) -> Self {
        Self::Call { call: e.call, errno: e.errno }
    }
}

impl From<PageNodesError> for Failure {
    fn from(e: PageNodesError) -> Self {
        match e {
            PageNodesError::Call(e) => e.into(),
            PageNodesError::Output(e) => e.into(),
        }
    }
}

/// Whether the script continues after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    Continue,
    Exit,
}

/// The state that commands share.
#[derive(Debug)]
pub struct Session<W> {
    out: W,
    segments: Segments,
    page_nodes: PageNodes,
}

impl<W: Write> Session<W> {
    /// Starts a session that writes its output to `out` and flushes it after every command.
    pub fn new(out: W) -> Self {
        Self { out, segments: Segments::default(), page_nodes: PageNodes::new() }
    }

    /// Announces a command to a recording, if there is one, and runs it.
    ///
    /// # Errors
    /// - The command names a segment or pages that do not exist or are in the wrong state.
    /// - Its syscall fails, or succeeds although it must fail.
    /// - A page's contents are not what was written.
    /// - The output cannot be written.
    pub fn run(&mut self, step: &Step) -> Result<Flow, Failure> {
        numa::announce(&step.text);
        let result = self.command(&step.command);
        let result = match (step.fails, result) {
            (true, Ok(_)) => Err(Failure::NoFailure(step.command.to_string())),
            (true, Err(Failure::Call { call, errno })) => {
                writeln!(self.out, "{PREFIX} {call} failed as expected: {}", errno::describe(errno))?;
                Ok(Flow::Continue)
            }
            (_, result) => result,
        };
        self.out.flush()?;
        result
    }

    fn command(&mut self, command: &Command) -> Result<Flow, Failure> {
        match command {
            Command::Anon { name, size, shared, huge } => {
                self.segments.add(name, size.pages_up(), *shared, *huge).map_err(Failure::Input)?;
            }
            Command::Map { name } => self.map(name)?,
            Command::Unmap { name } => {
                part(&mut self.out, &mut self.segments, name, None)?;
                self.segments.get(name).map_err(Failure::Input)?.unmap();
            }
            Command::Remove { name } => self.segments.remove(name).map_err(Failure::Input)?,
            Command::Touch { name, extent, write } => self.touch(name, extent.as_ref(), *write)?,
            Command::Loop { ms, name, extent, write } => self.touch_for(*ms, name, extent.as_ref(), *write)?,
            Command::Verify { name, extent } => self.verify(name, extent.as_ref())?,
            Command::Mbind { name, extent, mode, nodes } => {
                self.mbind(name, extent.as_ref(), *mode, nodes.as_ref())?;
            }
            Command::Move { name, extent, nodes } => self.move_pages(name, extent.as_ref(), nodes)?,
            Command::Madvise { name, extent, advice } => self.madvise(name, extent.as_ref(), *advice)?,
            Command::Pin { name, extent, longterm } => {
                let part = part(&mut self.out, &mut self.segments, name, extent.as_ref())?;
                let pin = if *longterm { Mapping::pin_longterm } else { Mapping::pin };
                pin(part.mapping, part.range)?;
            }
            Command::Unpin { name } => part(&mut self.out, &mut self.segments, name, None)?.mapping.unpin(),
            Command::Where { name, extent } => self.whereabouts(name, extent.as_ref())?,
            Command::Getpol { name, offset } => self.getpol(name, offset.as_ref())?,
            Command::Show { name } => self.show(name.as_deref())?,
            Command::Numa => self.numa()?,
            Command::Migrate { to, from } => self.migrate(to, from.as_ref())?,
            Command::Mpol { policy } => self.mpol(policy.as_ref())?,
            Command::Cpu { cpus } => self.cpu(cpus.as_ref())?,
            Command::Pid => writeln!(self.out, "{PREFIX} pid = {}", std::process::id())?,
            Command::Sleep { ms } => numa::sleep(*ms),
            Command::Help { topic } => self.help(topic.as_deref())?,
            Command::Exit => return Ok(Flow::Exit),
        }
        Ok(Flow::Continue)
    }

    fn map(&mut self, name: &str) -> Result<(), Failure> {
        let segment = self.segments.get(name).map_err(Failure::Input)?;
        if segment.is_mapped() {
            return Err(Failure::Input(format!("{name} is already mapped")));
        }
        Ok(segment.map()?)
    }

    fn touch(&mut self, name: &str, extent: Option<&Extent>, write: bool) -> Result<(), Failure> {
        let part = part(&mut self.out, &mut self.segments, name, extent)?;
        let pages = part.range.len();
        let start = Instant::now();
        if write {
            part.mapping.write(part.range);
        } else {
            part.mapping.pages(part.range).read();
        }
        let took = start.elapsed();
        Ok(writeln!(self.out, "{PREFIX} touched {} in {} secs", pages_text(pages), seconds(took))?)
    }

    fn touch_for(&mut self, ms: u64, name: &str, extent: Option<&Extent>, write: bool) -> Result<(), Failure> {
        let part = part(&mut self.out, &mut self.segments, name, extent)?;
        let pages = part.range.len();
        let (start, mut turns) = (Instant::now(), 0);
        while turns == 0 || start.elapsed() < Duration::from_millis(ms) {
            if write {
                part.mapping.write(part.range.clone());
            } else {
                part.mapping.pages(part.range.clone()).read();
            }
            turns += 1;
        }
        let (times, took) = (count(turns, "time"), seconds(start.elapsed()));
        Ok(writeln!(self.out, "{PREFIX} touched {} {times} in {took} secs", pages_text(pages))?)
    }

    fn verify(&mut self, name: &str, extent: Option<&Extent>) -> Result<(), Failure> {
        let part = part(&mut self.out, &mut self.segments, name, extent)?;
        let pages = part.range.len();
        let start = Instant::now();
        let result = part.mapping.pages(part.range).verify();
        let took = start.elapsed();
        result.map_err(|Mismatch { page, offset, expected, found }| Failure::Contents {
            segment: name.to_owned(),
            page,
            offset,
            expected,
            found,
        })?;
        Ok(writeln!(self.out, "{PREFIX} verified {} in {} secs", pages_text(pages), seconds(took))?)
    }

    fn mbind(&mut self, name: &str, extent: Option<&Extent>, mode: Mode, nodes: Option<&Nodes>) -> Result<(), Failure> {
        let part = part(&mut self.out, &mut self.segments, name, extent)?;
        let requested = pages_text(part.range.len());
        let pages = part.mapping.pages(part.range);
        let start = Instant::now();
        numa::mbind(&pages, mode, nodes)?;
        let took = start.elapsed();
        if mode.moves() {
            let what = if mode.is_lazy() { "unmap" } else { "migration" };
            writeln!(self.out, "{PREFIX} {what} of {name} [{requested}] took {} secs", seconds(took))?;
        }
        Ok(())
    }

    fn move_pages(&mut self, name: &str, extent: Option<&Extent>, nodes: &Nodes) -> Result<(), Failure> {
        let part = part(&mut self.out, &mut self.segments, name, extent)?;
        let requested = pages_text(part.range.len());
        let first = part.mapping.pages(part.range.clone()).addr();
        let addresses: Vec<usize> = (0..part.range.len()).map(|page| first + page * page_size()).collect();
        let in_turn = numa::listed(nodes)?;
        let targets: Vec<i32> = in_turn.nodes().iter().map(|&node| node as i32).cycle().take(addresses.len()).collect();
        let mut status = vec![UNSET; addresses.len()];
        let start = Instant::now();
        let untried = numa::move_pages(&addresses, &targets, &mut status)?;
        let took = seconds(start.elapsed());
        // If pages fail in the kernel's migrate_pages(), the kernel counts them, stops, and does not set their
        // statuses.
        let failed = status.iter().zip(&targets).filter(|(status, target)| **status != UNSET && status != target);
        let not_migrated = untried as usize + failed.count();
        Ok(writeln!(
            self.out,
            "{PREFIX} move of {name} [{requested}] took {took} secs. {} not migrated",
            pages_text(not_migrated)
        )?)
    }

    fn madvise(&mut self, name: &str, extent: Option<&Extent>, advice: Advice) -> Result<(), Failure> {
        let part = part(&mut self.out, &mut self.segments, name, extent)?;
        Ok(part.mapping.advise(part.range, advice)?)
    }

    fn cpu(&mut self, wanted: Option<&Cpus>) -> Result<(), Failure> {
        if let Some(wanted) = wanted {
            return Ok(cpus::run_on(wanted)?);
        }
        let (cpu, node) = cpus::current()?;
        let allowed = cpus::allowed()?;
        Ok(writeln!(self.out, "{PREFIX} on CPU {cpu} of node {node}; may run on {allowed}")?)
    }

    fn whereabouts(&mut self, name: &str, extent: Option<&Extent>) -> Result<(), Failure> {
        let part = part(&mut self.out, &mut self.segments, name, extent)?;
        let limit = if extent.is_some() { part.range.len() } else { WHERE_PAGES };
        let first = part.range.start;
        Ok(self.page_nodes.print(&mut self.out, &part.mapping.pages(part.range), first, limit)?)
    }

    fn getpol(&mut self, name: &str, offset: Option<&Size>) -> Result<(), Failure> {
        let extent = offset.map(|offset| Extent { offset: offset.clone(), length: None });
        let part = part(&mut self.out, &mut self.segments, name, extent.as_ref())?;
        let page = part.range.start;
        let node = numa::node_of(&part.mapping.pages(part.range))?;
        Ok(writeln!(self.out, "{PREFIX} {name} page {page} is on node {node}")?)
    }

    fn show(&mut self, name: Option<&str>) -> Result<(), Failure> {
        if let Some(name) = name {
            self.segments.get(name).map_err(Failure::Input)?;
        }
        for segment in self.segments.iter().filter(|s| name.is_none_or(|n| s.is(n))) {
            writeln!(self.out, "{segment}")?;
        }
        Ok(())
    }

    fn numa(&mut self) -> Result<(), Failure> {
        writeln!(self.out, "  node  total MB   free MB")?;
        for &node in numa::allowed()?.nodes() {
            match numa::memory_kb(node) {
                Some((total, free)) => writeln!(self.out, "{node:>6} {:>9} {:>9}", total >> 10, free >> 10)?,
                None => writeln!(self.out, "{node:>6} {:>9} {:>9}", "unknown", "unknown")?,
            }
        }
        Ok(())
    }

    fn migrate(&mut self, to: &Nodes, from: Option<&Nodes>) -> Result<(), Failure> {
        let start = Instant::now();
        let not_migrated = numa::migrate_pages(from, to)?;
        let took = seconds(start.elapsed());
        Ok(writeln!(self.out, "{PREFIX} migration took {took} secs. {} not migrated", count(not_migrated, "page"))?)
    }

    fn mpol(&mut self, policy: Option<&(Mode, Option<Nodes>)>) -> Result<(), Failure> {
        let Some((mode, nodes)) = policy else {
            let (mode, nodes) = numa::task_policy()?;
            let name = policy::mode_name(mode).map_or_else(|| format!("mode {mode:#x}"), str::to_owned);
            return Ok(writeln!(self.out, "{}", format!("{PREFIX} task policy is {name} {nodes}").trim_end())?);
        };
        Ok(numa::set_mempolicy(*mode, nodes.as_ref())?)
    }

    fn help(&mut self, topic: Option<&str>) -> Result<(), Failure> {
        let wanted = topic.map(parse::find).transpose().map_err(Failure::Input)?;
        for usage in USAGES.iter().filter(|u| wanted.is_none_or(|w| w.name == u.name)) {
            writeln!(self.out, "{}", format!("{} {}", usage.name, usage.arguments).trim_end())?;
            writeln!(self.out, "        {}", usage.help)?;
        }
        if topic.is_none() {
            writeln!(self.out, "Names can be abbreviated. Sizes: a number, with k, m, g or p (pages) after it.")?;
            writeln!(self.out, "A line that begins with ! must fail. Comments begin with #.")?;
        }
        Ok(())
    }
}

/// Returns the pages that a command works on. Prints a message if they were clipped to the segment's end.
fn part<'a>(
    out: &mut impl Write,
    segments: &'a mut Segments,
    name: &str,
    extent: Option<&Extent>,
) -> Result<Part<'a>, Failure> {
    let part = segments.part(name, extent).map_err(Failure::Input)?;
    if part.clipped {
        let end = part.range.end * page_size();
        writeln!(out, "{PREFIX} clipped to the end of {name}, {end:#x}")?;
    }
    Ok(part)
}

/// Formats `8 pages`.
fn pages_text(pages: usize) -> String {
    count(pages as u64, "page")
}

/// Formats seconds with six decimals.
fn seconds(time: Duration) -> String {
    format!("{:.6}", time.as_secs_f64())
}
