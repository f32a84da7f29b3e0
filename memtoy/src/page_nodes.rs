//! Prints the node of each page, without touching it.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use crate::{
    count::count,
    errno::{self, CallError},
    mapping::Pages,
    numa,
    size::page_size,
};

/// Maximum pages in one syscall.
const CHUNK: usize = 512;
/// Pages on a line.
const PER_LINE: usize = 8;

/// Buffers for move_pages(2), allocated once so that later calls do not fault.
#[derive(Debug)]
pub(crate) struct PageNodes {
    addresses: Vec<usize>,
    status: Vec<i32>,
}

/// Why printing failed.
#[derive(Debug)]
pub(crate) enum PageNodesError {
    Call(CallError),
    Output(io::Error),
}

impl PageNodes {
    pub(crate) fn new() -> Self {
        Self { addresses: vec![0; CHUNK], status: vec![0; CHUNK] }
    }

    /// Prints the node of each page, eight on a line, and a sum over all pages. Lists at most `limit` pages. The first
    /// of `pages` is page `first` of its segment.
    pub(crate) fn print(
        &mut self,
        out: &mut impl Write,
        pages: &Pages<'_>,
        first: usize,
        limit: usize,
    ) -> Result<(), PageNodesError> {
        let all = pages.bytes() / page_size();
        let mut sums = BTreeMap::new();
        write_header(out).map_err(PageNodesError::Output)?;
        for start in (0..all).step_by(CHUNK) {
            let len = CHUNK.min(all - start);
            for (n, address) in self.addresses[..len].iter_mut().enumerate() {
                *address = pages.addr() + (start + n) * page_size();
            }
            let status = &mut self.status[..len];
            numa::nodes_of(&self.addresses[..len], status).map_err(PageNodesError::Call)?;
            for &one in status.iter() {
                *sums.entry(one).or_insert(0_usize) += 1;
            }
            let shown = &status[..len.min(limit.saturating_sub(start))];
            write_lines(out, shown, first + start).map_err(PageNodesError::Output)?;
        }
        write_sums(out, &sums, all, limit).map_err(PageNodesError::Output)
    }
}

fn write_header(out: &mut impl Write) -> io::Result<()> {
    write!(out, "page offset ")?;
    for n in 0..PER_LINE {
        write!(out, "    +{n:02}")?;
    }
    writeln!(out)
}

fn write_lines(out: &mut impl Write, status: &[i32], first: usize) -> io::Result<()> {
    for (line, nodes) in status.chunks(PER_LINE).enumerate() {
        write!(out, "{:>10}: ", first + line * PER_LINE)?;
        for &node in nodes {
            match node {
                0.. => write!(out, " {node:>6}")?,
                _ => write!(out, " {:>6}", word(node))?,
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Writes the sums by node, then the sums of pages without a node.
fn write_sums(out: &mut impl Write, sums: &BTreeMap<i32, usize>, all: usize, limit: usize) -> io::Result<()> {
    if all > limit {
        writeln!(out, "    ... and {} more", count((all - limit) as u64, "page"))?;
    }
    write!(out, "{}:", count(all as u64, "page"))?;
    let on_nodes = sums.iter().filter(|(node, _)| **node >= 0).map(|(node, n)| (format!("node {node}"), n));
    let without_node = sums.iter().rev().filter(|(node, _)| **node < 0).map(|(node, n)| (word(*node), n));
    for (n, (place, pages)) in on_nodes.chain(without_node).enumerate() {
        write!(out, "{} {place}: {pages}", if n == 0 { "" } else { "," })?;
    }
    writeln!(out)
}

/// Returns the word for a status that is not a node.
fn word(status: i32) -> String {
    match -status {
        libc::ENOENT => "absent".to_owned(),
        // move_pages(2) returns EFAULT for the kernel's shared page of zeros: the page was only read.
        libc::EFAULT => "zero".to_owned(),
        errno => errno::name(errno).unwrap_or_else(|| "error".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_listed_by_eight_and_summed_by_node() {
        let status = [1, 1, 1, 1, 1, 1, 1, 2, 2, -libc::ENOENT, -libc::EFAULT];
        let mut out = Vec::new();
        write_header(&mut out).expect("written");
        write_lines(&mut out, &status, 16).expect("written");
        let sums = BTreeMap::from([(1, 7), (2, 2), (-libc::ENOENT, 1), (-libc::EFAULT, 1)]);
        write_sums(&mut out, &sums, 11, 11).expect("written");
        assert_eq!(
            String::from_utf8(out).expect("text"),
            "page offset     +00    +01    +02    +03    +04    +05    +06    +07\n\
             \x20       16:       1      1      1      1      1      1      1      2\n\
             \x20       24:       2 absent   zero\n\
             11 pages: node 1: 7, node 2: 2, absent: 1, zero: 1\n"
        );
    }
}
