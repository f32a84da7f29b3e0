//! Page faults.

use super::{comm::Comm, migrate::Cause, outcome::Reason, words::words};

/// A page fault of user memory that was handled.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub addr: u64,
    /// The instruction that faulted; `None` if the kernel itself faulted the page in (get_user_pages).
    pub ip: Option<u64>,
    pub access: Access,
    /// `None`, like all fields below, if only the CPU's exception was recorded and not the kernel's handling of it.
    pub class: Option<FaultClass>,
    /// The kernel read from a device or from swap.
    pub major: Option<bool>,
    /// Node of the page that is mapped afterwards.
    pub nid: Option<i32>,
    /// Order of the page-table entry that maps it: 9 for a huge page of 2 MiB. `None` if `nid` is.
    pub order: Option<u32>,
    pub latency_ns: Option<u64>,
    /// `ok`, `retry`, or the kernel's error (`oom`, `sigbus`, `sigsegv`, `hwpoison`).
    pub result: Option<Reason>,
    /// The migration that it waited for. `None` if it waited for none, or no program saw the migration.
    pub wait: Option<Box<Wait>>,
}

/// The migration that a fault waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    pub cause: Cause,
    /// The process and thread that migrated the page.
    pub pid: u32,
    pub tid: u32,
    /// Name of that thread.
    pub comm: Comm,
    /// How long the page had been inaccessible when the fault began to wait; of a lazy migration, how long ago it began.
    pub inaccessible_ns: u64,
}

words! {
    /// How memory was touched.
    Access { Read, Write, Exec }

    /// Why a page faulted.
    FaultClass {
        Anon, File, Shmem, Swap, Hinting, Cow, Huge, MigrationWait, Userfault, Hugetlb, Device, Hwpoison, Other,
    }
}
