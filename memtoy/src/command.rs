//! The commands: their names, their arguments, and their text in full.

use std::fmt;

use crate::{
    advice::Advice,
    cpus::Cpus,
    policy::{Mode, Nodes},
    size::{Extent, Size},
};

/// A command's name, arguments and help.
#[derive(Debug)]
pub(crate) struct Usage {
    pub(crate) name: &'static str,
    pub(crate) arguments: &'static str,
    pub(crate) help: &'static str,
}

const fn usage(name: &'static str, arguments: &'static str, help: &'static str) -> Usage {
    Usage { name, arguments, help }
}

/// Every command, as `help` lists them.
pub(crate) const USAGES: [Usage; 25] = [
    usage("anon", "<seg> <size> [private|shared] [huge]", "define an anonymous segment, of base pages unless huge"),
    usage("map", "<seg>", "map the segment, without touching it"),
    usage("unmap", "<seg>", "unmap it and discard its contents"),
    usage("remove", "<seg>", "unmap it and remove its name"),
    usage("touch", "<seg> [<offset> [<length>]] [read|write]", "read a word of every page, or fill every page"),
    usage("loop", "<ms> <seg> [<offset> [<length>]] [read|write]", "touch the pages repeatedly for this time"),
    usage("verify", "<seg> [<offset> [<length>]]", "read every byte and compare it with what was written"),
    usage("mbind", "<seg> [<offset> [<length>]] <policy>[+move][+all][+lazy][+strict] [<nodes>|*]", "set a policy"),
    usage(
        "move",
        "<seg> [<offset> [<length>]] to <nodes>|*",
        "migrate the pages to the nodes in turn, by move_pages(2)",
    ),
    usage("madvise", "<seg> [<offset> [<length>]] <advice>", Advice::USAGE),
    usage("pin", "<seg> [<offset> [<length>]] [longterm]", "hold references to the pages, so that they cannot migrate"),
    usage("unpin", "<seg>", "release them"),
    usage("where", "<seg> [<offset> [<length>]]", "show the node of every page, without touching it"),
    usage("getpol", "<seg> [<offset>]", "show the node of a page by get_mempolicy(2), which touches it"),
    usage("show", "[<seg>]", "list the segments"),
    usage("numa", "", "show total and free memory of every node"),
    usage("migrate", "<nodes>|* [<nodes>|*]", "migrate all pages of this process, from all nodes or from some"),
    usage("mpol", "[<policy> [<nodes>|*]]", "set or show the policy of this task"),
    usage("cpu", "[<cpus>|*]", "restrict memtoy to these CPUs, or show its current and allowed CPUs"),
    usage("pid", "", "show the process id"),
    usage("sleep", "<ms>", "wait"),
    usage("snooze", "<seconds>", "wait"),
    usage("help", "[<command>]", "show this list"),
    usage("quit", "", "end"),
    usage("exit", "", "end"),
];

/// One command with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Anon { name: String, size: Size, shared: bool, huge: bool },
    Map { name: String },
    Unmap { name: String },
    Remove { name: String },
    Touch { name: String, extent: Option<Extent>, write: bool },
    Loop { ms: u64, name: String, extent: Option<Extent>, write: bool },
    Verify { name: String, extent: Option<Extent> },
    Mbind { name: String, extent: Option<Extent>, mode: Mode, nodes: Option<Nodes> },
    Move { name: String, extent: Option<Extent>, nodes: Nodes },
    Madvise { name: String, extent: Option<Extent>, advice: Advice },
    Pin { name: String, extent: Option<Extent>, longterm: bool },
    Unpin { name: String },
    Where { name: String, extent: Option<Extent> },
    Getpol { name: String, offset: Option<Size> },
    Show { name: Option<String> },
    Numa,
    Migrate { to: Nodes, from: Option<Nodes> },
    Mpol { policy: Option<(Mode, Option<Nodes>)> },
    Cpu { cpus: Option<Cpus> },
    Pid,
    Sleep { ms: u64 },
    Help { topic: Option<String> },
    Exit,
}

/// Returns the word for how pages are touched.
fn access(write: bool) -> &'static str {
    if write { "write" } else { "read" }
}

/// Formats an optional argument with a space before it, or nothing.
struct After<'a, T>(&'a Option<T>);

impl<T: fmt::Display> fmt::Display for After<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |argument| write!(f, " {argument}"))
    }
}

impl fmt::Display for Command {
    /// Formats the command in full, as a recording stores it: `mbind seg bind+move+lazy 2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anon { name, size, shared, huge } => {
                let shared = if *shared { " shared" } else { "" };
                write!(f, "anon {name} {size}{shared}{}", if *huge { " huge" } else { "" })
            }
            Self::Map { name } => write!(f, "map {name}"),
            Self::Unmap { name } => write!(f, "unmap {name}"),
            Self::Remove { name } => write!(f, "remove {name}"),
            Self::Touch { name, extent, write } => write!(f, "touch {name}{} {}", After(extent), access(*write)),
            Self::Loop { ms, name, extent, write } => {
                write!(f, "loop {ms} {name}{} {}", After(extent), access(*write))
            }
            Self::Verify { name, extent } => write!(f, "verify {name}{}", After(extent)),
            Self::Mbind { name, extent, mode, nodes } => {
                write!(f, "mbind {name}{} {mode}{}", After(extent), After(nodes))
            }
            Self::Move { name, extent, nodes } => write!(f, "move {name}{} to {nodes}", After(extent)),
            Self::Madvise { name, extent, advice } => write!(f, "madvise {name}{} {advice}", After(extent)),
            Self::Pin { name, extent, longterm } => {
                write!(f, "pin {name}{}{}", After(extent), if *longterm { " longterm" } else { "" })
            }
            Self::Unpin { name } => write!(f, "unpin {name}"),
            Self::Where { name, extent } => write!(f, "where {name}{}", After(extent)),
            Self::Getpol { name, offset } => write!(f, "getpol {name}{}", After(offset)),
            Self::Show { name } => write!(f, "show{}", After(name)),
            Self::Numa => f.write_str("numa"),
            Self::Migrate { to, from } => write!(f, "migrate {to}{}", After(from)),
            Self::Mpol { policy: None } => f.write_str("mpol"),
            Self::Mpol { policy: Some((mode, nodes)) } => write!(f, "mpol {mode}{}", After(nodes)),
            Self::Cpu { cpus } => write!(f, "cpu{}", After(cpus)),
            Self::Pid => f.write_str("pid"),
            Self::Sleep { ms } => write!(f, "sleep {ms}"),
            Self::Help { topic } => write!(f, "help{}", After(topic)),
            Self::Exit => f.write_str("exit"),
        }
    }
}
