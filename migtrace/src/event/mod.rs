//! The one event type: what the decoder makes of kernel records, what a trace holds, and what every view reads.
//!
//! This module owns the vocabulary: its enums print as exactly the words that the trace's columns hold. It knows no
//! ring, no file and no terminal. A field that the kernel did not give is `None`, never 0.

use std::{fmt, num::NonZeroU32, sync::Arc};

use strum::{AsRefStr, Display, EnumDiscriminants, EnumString, IntoStaticStr, VariantArray, VariantNames};

pub use migtrace_common::node_mask::NodeMask;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// CLOCK_BOOTTIME, ns, at the end of what happened: with a latency, it began at `ts_ns - latency_ns`.
    pub ts_ns: u64,
    pub cpu: u32,
    /// NUMA node of `cpu`.
    pub cpu_node: Option<i32>,
    /// Process (the kernel's tgid).
    pub pid: u32,
    /// Thread (the kernel's pid).
    pub tid: u32,
    pub comm: Comm,
    pub cgroup_id: u64,
    /// CLOCK_BOOTTIME, ns, when the process started: with `pid` it names the process for good, for numbers are used again.
    pub process_start_ns: Option<u64>,
    /// Events that this one stands for, where the kernel side took a sample; see [`Event::weight`].
    pub weight: Option<NonZeroU32>,
    /// Symbols joined by `;`, outermost first.
    pub kernel_stack: Option<Arc<str>>,
    /// As `kernel_stack`.
    pub user_stack: Option<Arc<str>>,
    pub body: Body,
}

impl Event {
    /// An event of which nothing is known but what it is and when: no task, CPU 0.
    #[must_use]
    pub fn at(ts_ns: u64, body: Body) -> Self {
        Self {
            ts_ns,
            cpu: 0,
            cpu_node: None,
            pid: 0,
            tid: 0,
            comm: Comm::default(),
            cgroup_id: 0,
            process_start_ns: None,
            weight: None,
            kernel_stack: None,
            user_stack: None,
            body,
        }
    }

    /// Events that this one stands for: itself, or more where the recording took a sample.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.weight.map_or(1, |w| w.get().into())
    }

    /// How long it took, ns, where it has a length.
    #[must_use]
    pub fn latency_ns(&self) -> Option<u64> {
        match &self.body {
            Body::Fault(f) => f.latency_ns,
            Body::Migrate(m) => m.latency_ns,
            Body::Batch(b) => Some(b.latency_ns),
            Body::Request(r) => Some(r.latency_ns),
            Body::Check(_) | Body::Mark(_) | Body::Task(_) | Body::Region(_) | Body::Phase(_) | Body::Loss(_) => None,
        }
    }

    /// CLOCK_BOOTTIME, ns, when it began: its own time where it has no length.
    #[must_use]
    pub fn start_ns(&self) -> u64 {
        self.ts_ns.saturating_sub(self.latency_ns().unwrap_or(0))
    }

    /// The virtual address that it is about, where the kernel showed one.
    #[must_use]
    pub fn addr(&self) -> Option<u64> {
        match &self.body {
            Body::Fault(f) => Some(f.addr),
            Body::Check(c) => Some(c.addr),
            Body::Mark(m) => m.addr,
            Body::Migrate(m) => m.addr,
            Body::Request(r) => r.addr,
            Body::Region(r) => Some(r.addr),
            Body::Batch(_) | Body::Task(_) | Body::Phase(_) | Body::Loss(_) => None,
        }
    }
}

/// The lowest bit of each byte.
const LOWEST_BITS: u128 = u128::MAX / 0xff;

/// A task's name: at most 15 bytes, as the kernel keeps it. Printing escapes what could reach a terminal as control.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Comm([u8; 16]);

impl Comm {
    /// From the kernel's zero-padded bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        // What follows the first zero is left from a longer name, on kernels before 5.17.
        let word = u128::from_le_bytes(bytes);
        let zeroes = word.wrapping_sub(LOWEST_BITS) & !word & (LOWEST_BITS << 7);
        let rest = zeroes.trailing_zeros() / 8 * 8;
        if rest >= u128::BITS { Self(bytes) } else { Self((word & ((1 << rest) - 1)).to_le_bytes()) }
    }

    /// The bytes before the first zero.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        // Nothing but zeroes comes after the name.
        let unused = u128::from_le_bytes(self.0).leading_zeros() / 8;
        &self.0[..self.0.len() - unused as usize]
    }
}

impl From<&str> for Comm {
    /// Cut after 16 bytes.
    fn from(name: &str) -> Self {
        let mut bytes = [0; 16];
        let len = name.len().min(bytes.len());
        bytes[..len].copy_from_slice(&name.as_bytes()[..len]);
        Self::from_bytes(bytes)
    }
}

impl fmt::Display for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&escape_control(&String::from_utf8_lossy(self.as_bytes())))
    }
}

impl fmt::Debug for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

/// `text` with every control character written as an escape, so that no name can drive a terminal.
#[must_use]
pub fn escape_control(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// What happened, by kind.
#[derive(Clone, Debug, PartialEq, AsRefStr, IntoStaticStr, EnumDiscriminants)]
#[strum(serialize_all = "snake_case")]
#[strum_discriminants(
    name(Kind),
    derive(Hash, PartialOrd, Ord, Display, EnumString, IntoStaticStr, VariantArray, VariantNames),
    strum(serialize_all = "snake_case"),
    doc = "The kinds of events, without what they say."
)]
pub enum Body {
    Fault(Fault),
    Check(Check),
    Mark(Mark),
    /// Apart, as the largest: most events are faults, and rings, queues and views hold many.
    Migrate(Box<Migrate>),
    Batch(Batch),
    Request(Box<Request>),
    Task(Task),
    Region(Region),
    Phase(Phase),
    Loss(Loss),
}

impl Body {
    /// The kind's name, as the column `kind` has it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.into()
    }
}

impl From<Migrate> for Body {
    fn from(migrate: Migrate) -> Self {
        Self::Migrate(Box::new(migrate))
    }
}

impl From<Request> for Body {
    fn from(request: Request) -> Self {
        Self::Request(Box::new(request))
    }
}

/// A word for why: the kernel's own name in lower case, or `reason#17` where this build of migtrace or this kernel has no
/// name for the number.
pub type Reason = Arc<str>;

/// A user page fault was handled.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub addr: u64,
    /// The instruction that faulted; `None` where the kernel faulted on its own account (get_user_pages).
    pub ip: Option<u64>,
    pub access: Access,
    /// `None`, as all that follows, where the recording saw the CPU's exception only, and not what the kernel made of it.
    pub class: Option<FaultClass>,
    /// The kernel read from a device or swap.
    pub major: Option<bool>,
    /// Node of the page that is mapped afterwards.
    pub nid: Option<i32>,
    pub latency_ns: Option<u64>,
    /// `ok`, `retry`, or the kernel's error (`oom`, `sigbus`, `sigsegv`, `hwpoison`).
    pub result: Option<Reason>,
}

/// A folio was checked against policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    pub addr: u64,
    pub pfn: u64,
    pub order: u32,
    pub src_nid: i32,
    /// Where policy wants it; `None` where the check ended before policy was asked.
    pub dst_nid: Option<i32>,
    pub policy: Option<Policy>,
    pub interleaved: bool,
    pub lazy: bool,
    pub verdict: Verdict,
    /// Why it was skipped.
    pub reason: Option<Reason>,
}

/// Why a hinting fault's check did not ask for a move, as far as it shows.
pub const PLACED_OR_DEFERRED: &str = "placed_or_deferred";

impl Check {
    /// Whether a NUMA hinting fault asked, and not migrate-on-fault: mpol_misplaced() shows no policy.
    #[must_use]
    pub fn is_hinting(&self) -> bool {
        match self.verdict {
            Verdict::Skipped => self.reason.as_deref() == Some(PLACED_OR_DEFERRED),
            Verdict::Placed | Verdict::Misplaced => self.policy.is_none(),
        }
    }
}

/// A page was unmapped for lazy migration, or could not be.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    pub addr: Option<u64>,
    pub pfn: u64,
    pub nid: i32,
    pub order: u32,
    pub result: Outcome,
    pub reason: Option<Reason>,
}

/// One folio moved, or did not.
#[derive(Clone, Debug, PartialEq)]
pub struct Migrate {
    pub addr: Option<u64>,
    pub old_pfn: u64,
    pub new_pfn: Option<u64>,
    pub order: u32,
    pub src_nid: i32,
    pub dst_nid: Option<i32>,
    pub cause: Cause,
    pub result: Outcome,
    pub reason: Option<Reason>,
    pub latency_ns: Option<u64>,
    pub unmap_ns: Option<u64>,
    pub copy_ns: Option<u64>,
    pub remap_ns: Option<u64>,
}

impl Migrate {
    /// Pages of the folio.
    #[must_use]
    pub const fn pages(&self) -> u64 {
        1 << self.order
    }
}

/// The kernel's migrate_pages() ran once; with mode `lazy`, a request marked its pages.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Pages.
    pub asked: Option<u64>,
    /// Pages.
    pub succeeded: u64,
    /// Pages.
    pub failed: u64,
    /// Pages of `succeeded` that were not seen to move: the kernel counts as moved what was freed before its turn. `None` where
    /// moves are not seen, and with mode `lazy`.
    pub unmoved: Option<u64>,
    pub cause: Cause,
    /// `async`, `sync_light`, `sync`, or `lazy`.
    pub mode: Reason,
    pub latency_ns: u64,
}

impl Batch {
    /// Pages that moved or, with mode `lazy`, were marked: `succeeded` without those that are known not to have moved.
    #[must_use]
    pub const fn done_pages(&self) -> u64 {
        match self.unmoved {
            Some(unmoved) => self.succeeded.saturating_sub(unmoved),
            None => self.succeeded,
        }
    }
}

/// A placement system call returned.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub name: RequestName,
    pub addr: Option<u64>,
    /// Bytes; for move_pages, pages.
    pub len: Option<u64>,
    pub policy: Option<Policy>,
    /// The call's flags by name, joined by `|`.
    pub flags: String,
    pub nodemask: Option<NodeMask>,
    /// `None`: the caller itself.
    pub target_pid: Option<u32>,
    /// What the call returned, a negative errno on failure.
    pub ret: i64,
    pub latency_ns: u64,
}

impl Request {
    /// Whether the call asked for marks instead of moves.
    #[must_use]
    pub fn is_lazy(&self) -> bool {
        self.flags.split('|').any(|f| f == "lazy")
    }
}

/// The life of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    pub what: TaskEvent,
    pub from_node: Option<i32>,
    pub to_node: Option<i32>,
    /// The new process of a fork.
    pub target_pid: Option<u32>,
    /// Pages that the process of a task that moved left on `from_node`.
    pub pages: Option<u64>,
}

/// A mapping as it was when first seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    pub addr: u64,
    pub len: u64,
    pub class: RegionClass,
    /// Name of the mapped file, without its directory; empty for none.
    pub name: String,
    pub policy: Option<Policy>,
}

/// The workload says what it does now.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    pub text: String,
}

/// Events refused since the last loss event of the same probe and cause.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    pub probe: String,
    pub cause: String,
    pub count: u64,
}

macro_rules! words {
    ($($(#[$meta:meta])* $name:ident { $($variant:ident),* $(,)? })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, AsRefStr, Display, EnumString, IntoStaticStr, VariantArray, VariantNames)]
        #[strum(serialize_all = "snake_case")]
        pub enum $name { $($variant),* }

        impl $name {
            /// The word for it.
            #[must_use]
            pub fn word(self) -> &'static str {
                self.into()
            }
        }
    )*};
}

words! {
    /// What a mapping is.
    RegionClass { Anon, File, Shmem, Hugetlb, Stack, Heap, Other }

    /// How memory was touched.
    Access { Read, Write, Exec }

    /// What a fault is about.
    FaultClass { Anon, File, Shmem, Swap, Hinting, Cow, Huge, Other }

    /// A memory policy's mode.
    Policy { Default, Preferred, Bind, Interleave, Local, PreferredMany, WeightedInterleave }

    /// What the check found.
    Verdict { Placed, Misplaced, Skipped }

    /// Whether it worked.
    Outcome { Ok, Failed }

    /// Why a folio was to move.
    Cause {
        Mbind, MovePages, MigratePages, LazyFault, HintingFault, Demotion, Compaction, Hotplug, ContigRange, LongtermPin,
        Damon, Other,
    }

    /// Placement system calls.
    RequestName { Mbind, SetMempolicy, GetMempolicy, MovePages, MigratePages, SetMempolicyHomeNode }

    /// What happened to a task.
    TaskEvent { Fork, Exec, Exit, Moved }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_no_larger_than_a_fault_makes_it() {
        assert!(size_of::<Body>() <= size_of::<Fault>() + size_of::<u64>(), "{}", size_of::<Body>());
    }

    #[test]
    fn control_characters_in_a_task_name_are_escaped() {
        assert_eq!(Comm::from("a\u{1b}[2Jb").to_string(), "a\\u{1b}[2Jb");
        assert_eq!(Comm::from("a-name-of-more-than-16").as_bytes().len(), 16);
    }

    #[test]
    fn words_are_the_trace_formats() {
        assert_eq!(Cause::LazyFault.word(), "lazy_fault");
        assert_eq!("preferred_many".parse::<Policy>().expect("a word"), Policy::PreferredMany);
        assert_eq!(RequestName::SetMempolicyHomeNode.word(), "set_mempolicy_home_node");
    }
}
