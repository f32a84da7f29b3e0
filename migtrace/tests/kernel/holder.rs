//! A process that has pages on a node, for tests in which others migrate them.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::FileExt as _,
    ptr,
};

use crate::{
    recorder::ChildGuard,
    support::{PAGE, Script},
};

/// A process that has pages on a node. It is killed on drop.
pub(crate) struct Holder {
    pub(crate) process: ChildGuard,
    start: u64,
    pub(crate) count: usize,
    pub(crate) node: i32,
}

impl Holder {
    pub(crate) fn of(count: usize, node: i32) -> Self {
        let text =
            format!("anon seg {count}p\nmap seg\nmbind seg preferred {node}\ntouch seg write\nshow seg\nsnooze 600\n");
        let script = Script::new(&text);
        let (read, write) = std::io::pipe().unwrap();
        let process = ChildGuard::start(script.command().stdout(write));
        // For example `a 0x00007f... 0x000000008000        8 pages rw- private seg`.
        let shown = BufReader::new(read).lines().map(Result::unwrap).find(|line| line.starts_with("a 0x"));
        let shown = shown.expect("memtoy shows its segment");
        let start = shown.split_whitespace().nth(1).and_then(|word| word.strip_prefix("0x")).unwrap();
        let holder = Self { process, start: u64::from_str_radix(start, 16).unwrap(), count, node };
        assert_eq!(holder.nodes(), vec![node; count]);
        holder
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.0.id()
    }

    pub(crate) fn pages(&self) -> impl Iterator<Item = u64> {
        (self.start..).step_by(PAGE as usize).take(self.count)
    }

    /// Returns the frame number of each page, from pagemap.
    pub(crate) fn frames(&self) -> Vec<u64> {
        const PRESENT: u64 = 1 << 63;
        const FRAME: u64 = (1 << 55) - 1;
        let pagemap = fs::File::open(format!("/proc/{}/pagemap", self.process.0.id())).unwrap();
        let frame = |page: u64| {
            let mut entry = [0; 8];
            pagemap.read_exact_at(&mut entry, page / PAGE * 8).unwrap();
            let entry = u64::from_ne_bytes(entry);
            assert_ne!(entry & PRESENT, 0, "{page:#x}");
            entry & FRAME
        };
        self.pages().map(frame).collect()
    }

    /// Returns the node of each page.
    pub(crate) fn nodes(&self) -> Vec<i32> {
        nodes_of(self.pid(), &self.pages().collect::<Vec<_>>())
    }

    /// Migrates all pages to a node by move_pages(2).
    pub(crate) fn move_to(&self, node: i32) {
        let pages: Vec<_> = self.pages().collect();
        assert_eq!(move_pages(self.pid(), &pages, node), vec![node; self.count]);
    }
}

/// Returns the node of each page of a process, 0 for the caller, or a negative errno: from move_pages(2).
pub(crate) fn nodes_of(pid: u32, pages: &[u64]) -> Vec<i32> {
    let mut nodes = vec![i32::MIN; pages.len()];
    let (addresses, none) = (pages.as_ptr(), ptr::null::<i32>());
    // SAFETY: the kernel reads and writes as many entries as both have; without destination nodes it migrates nothing.
    let ret = unsafe { libc::syscall(libc::SYS_move_pages, pid, pages.len(), addresses, none, nodes.as_mut_ptr(), 0) };
    assert_eq!(ret, 0, "move_pages: {}", std::io::Error::last_os_error());
    nodes
}

/// Migrates pages of a process to a node by move_pages(2). Returns the status of each: its node, or a negative errno.
pub(crate) fn move_pages(pid: u32, pages: &[u64], node: i32) -> Vec<i32> {
    /// Of linux/mempolicy.h.
    const MPOL_MF_MOVE: i32 = 1 << 1;
    move_pages_with(MPOL_MF_MOVE, pid, pages, node)
}

/// The same, also for pages that several processes or mappings have.
pub(crate) fn move_shared_pages(pid: u32, pages: &[u64], node: i32) -> Vec<i32> {
    const MPOL_MF_MOVE_ALL: i32 = 1 << 2;
    move_pages_with(MPOL_MF_MOVE_ALL, pid, pages, node)
}

fn move_pages_with(flags: i32, pid: u32, pages: &[u64], node: i32) -> Vec<i32> {
    let (nodes, mut status) = (vec![node; pages.len()], vec![i32::MIN; pages.len()]);
    let (addresses, count) = (pages.as_ptr(), pages.len());
    // SAFETY: the kernel reads and writes `count` entries, the length of all three.
    let ret = unsafe {
        libc::syscall(libc::SYS_move_pages, pid, count, addresses, nodes.as_ptr(), status.as_mut_ptr(), flags)
    };
    assert!(ret >= 0, "move_pages: {}", std::io::Error::last_os_error());
    status
}
