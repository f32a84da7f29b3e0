//! Where pages are, without touching them.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use super::{
    errno,
    mapping::Pages,
    numa::{self, CallError},
    size::page_size,
};
use crate::words;

/// Pages asked about in one system call.
const CHUNK: usize = 512;
/// Pages on a line.
const PER_LINE: usize = 8;

/// Buffers for asking: made once, so that asking does not fault.
#[derive(Debug)]
pub(super) struct Residence {
    addresses: Vec<usize>,
    status: Vec<i32>,
}

/// What became of a question.
#[derive(Debug)]
pub(super) enum ResidenceError {
    Call(CallError),
    Output(io::Error),
}

impl Residence {
    pub(super) fn new() -> Self {
        Self { addresses: vec![0; CHUNK], status: vec![0; CHUNK] }
    }

    /// Prints the node of each of `pages`, of which the first is page `first` of its segment: eight on a line, at most
    /// `limit` pages in lines, and a sum of all.
    pub(super) fn print(
        &mut self,
        out: &mut impl Write,
        pages: &Pages<'_>,
        first: usize,
        limit: usize,
    ) -> Result<(), ResidenceError> {
        let count = pages.bytes() / page_size();
        let mut sums = BTreeMap::new();
        write_header(out).map_err(ResidenceError::Output)?;
        for start in (0..count).step_by(CHUNK) {
            let len = CHUNK.min(count - start);
            for (n, address) in self.addresses[..len].iter_mut().enumerate() {
                *address = pages.addr() + (start + n) * page_size();
            }
            let status = &mut self.status[..len];
            numa::nodes_of(&self.addresses[..len], status).map_err(ResidenceError::Call)?;
            for &one in status.iter() {
                *sums.entry(one).or_insert(0_usize) += 1;
            }
            let shown = &status[..len.min(limit.saturating_sub(start))];
            write_lines(out, shown, first + start).map_err(ResidenceError::Output)?;
        }
        write_sums(out, &sums, count, limit).map_err(ResidenceError::Output)
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

/// The sums by node, the pages that are nowhere last.
fn write_sums(out: &mut impl Write, sums: &BTreeMap<i32, usize>, count: usize, limit: usize) -> io::Result<()> {
    if count > limit {
        writeln!(out, "    ... and {} more", words::count((count - limit) as u64, "page"))?;
    }
    write!(out, "{}:", words::count(count as u64, "page"))?;
    let on_nodes = sums.iter().filter(|(node, _)| **node >= 0).map(|(node, n)| (format!("node {node}"), n));
    let nowhere = sums.iter().rev().filter(|(node, _)| **node < 0).map(|(node, n)| (word(*node).to_owned(), n));
    for (n, (place, pages)) in on_nodes.chain(nowhere).enumerate() {
        write!(out, "{} {place}: {pages}", if n == 0 { "" } else { "," })?;
    }
    writeln!(out)
}

/// A status that is no node.
fn word(status: i32) -> &'static str {
    match -status {
        libc::ENOENT => "absent",
        // In a mapping of one's own: a page that was only read, and is the one page of zeros.
        libc::EFAULT => "zero",
        errno => errno::name(errno).unwrap_or("error"),
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
