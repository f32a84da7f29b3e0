//! Literal recordings for tests: an 8-page anonymous segment that migrates directly, lazily, by a query, or with loss.

use crate::event::Probe;
use crate::event::*;
use crate::recording::Meta;

use self::meta::meta;

mod meta;
mod waits;

pub use self::waits::{waited, waits};

pub const SEGMENT: u64 = 0x7f12_a400_0000;
pub const PAGES: u64 = 8;
pub const PID: u32 = 213;
const FRAME: u64 = 0x1a2b0;
const NEW_FRAME: u64 = 0x3c4d0;
pub const START_NS: u64 = 5_000_000_000;

/// The event of a task that another task moves to node 1, after `last`. Its cgroup is unknown.
pub fn changed_node(last: Event) -> Event {
    let (what, from_node, to_node) = (TaskEvent::Moved, last.cpu_node, Some(1));
    let body = Body::Task(Task { what, from_node, to_node, target_pid: None, pages: None, latency_ns: None });
    Event { ts_ns: last.ts_ns + 1, cpu_node: to_node, cgroup_id: 0, body, ..last }
}

/// A recording under construction: `now` is the clock, each call appends what ended then.
pub struct Tape {
    pub now: u64,
    pub events: Vec<Event>,
}

impl Default for Tape {
    fn default() -> Self {
        Self { now: START_NS + 400_000, events: Vec::new() }
    }
}

impl Tape {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn push(&mut self, body: Body) {
        let comm = Comm::from("memtoy");
        let cgroup_id = 1;
        self.events.push(Event { cpu_node: Some(0), pid: PID, tid: PID, comm, cgroup_id, ..Event::at(self.now, body) });
    }

    pub fn wait(&mut self, ns: u64) {
        self.now += ns;
    }

    pub fn phase(&mut self, text: &str) {
        self.wait(60_000);
        self.push(Body::Phase(Phase { text: text.into() }));
        self.wait(9_000);
    }

    pub fn task(&mut self, what: TaskEvent) {
        self.push(Body::Task(Task {
            what,
            from_node: None,
            to_node: None,
            target_pid: None,
            pages: None,
            latency_ns: None,
        }));
        self.wait(1_000);
    }

    pub fn mbind(&mut self, pages: u64, policy: Policy, node: &str, flags: &str, began: u64) {
        self.push(Body::from(Request {
            name: RequestName::Mbind,
            addr: Some(SEGMENT),
            len: Some(pages * 4096),
            policy: Some(policy),
            flags: flags.into(),
            nodemask: Some(node.parse().expect("a node list")),
            target_pid: None,
            ret: 0,
            latency_ns: self.now - began,
        }));
    }

    pub fn fault(&mut self, addr: u64, access: Access, class: FaultClass, nid: Option<i32>, began: u64) {
        self.push(Body::Fault(Fault {
            addr,
            ip: Some(0x40_1234),
            access,
            class: Some(class),
            major: Some(false),
            nid,
            order: nid.map(|_| if class == FaultClass::Huge { 9 } else { 0 }),
            latency_ns: Some(self.now - began),
            result: Some("ok".into()),
            wait: None,
        }));
    }

    /// The pages written for the first time, on node 1.
    pub fn first_touch(&mut self, pages: u64) {
        self.phase("touch seg w");
        for page in 0..pages {
            let began = self.now;
            self.wait(48_000 + page * 700);
            self.fault(SEGMENT + page * 4096, Access::Write, FaultClass::Anon, Some(1), began);
            self.wait(4_000);
        }
    }

    /// exec, some page faults of starting, `mbind preferred 1`, and the first touch.
    pub fn start(&mut self, pages: u64) {
        self.task(TaskEvent::Exec);
        for page in 0..5 {
            let (class, began) = (if page % 2 == 0 { FaultClass::File } else { FaultClass::Cow }, self.now);
            self.wait(21_000);
            self.fault(0x40_0000 + page * 4096, Access::Read, class, Some(0), began);
        }
        self.phase(&format!("anon seg {pages}p"));
        self.phase("mbind seg preferred 1");
        let began = self.now;
        self.wait(6_100);
        self.mbind(pages, Policy::Preferred, "1", "", began);
        self.first_touch(pages);
    }

    /// One direct migration as the kernel does it: all pages are unmapped, then each is copied and mapped again.
    pub fn move_directly(&mut self, pages: u64) {
        self.phase("mbind seg bind+move 2");
        let began = self.now;
        self.wait(52_000);
        let batch = self.now;
        self.wait(pages * 12_400);
        for page in 0..pages {
            self.wait(15_000);
            let latency_ns = Some(self.now - batch - page * 12_400);
            self.push(Body::from(Migrate { latency_ns, ..moved(page, Cause::Mbind) }));
        }
        self.wait(2_000);
        self.push(Body::from(Batch {
            asked: None,
            succeeded: pages,
            failed: 0,
            unmoved: Some(0),
            thp_split: None,
            cause: Cause::Mbind,
            work: Work::Migrate("sync".into()),
            latency_ns: self.now - batch,
        }));
        self.wait(11_000);
        self.mbind(pages, Policy::Bind, "2", "move", began);
    }

    pub fn mark_lazily(&mut self, pages: u64) {
        self.phase("mbind seg bind+move+lazy 2");
        let began = self.now;
        self.wait(50_000);
        let batch = self.now;
        for page in 0..pages {
            self.wait(8_000);
            let (addr, pfn) = (Some(SEGMENT + page * 4096), FRAME + page);
            self.push(Body::Mark(Mark { addr, pfn, nid: 1, order: 0, result: Outcome::Ok, reason: None }));
        }
        self.wait(900);
        self.push(Body::from(Batch {
            asked: Some(pages),
            succeeded: pages,
            failed: 0,
            unmoved: None,
            thp_split: None,
            cause: Cause::Mbind,
            work: Work::Mark,
            latency_ns: self.now - batch,
        }));
        self.wait(10_000);
        self.mbind(pages, Policy::Bind, "2", "move|lazy", began);
    }

    /// A fault of a marked page: check, move, map.
    pub fn lazy_fault(&mut self, page: u64, access: Access) {
        let began = self.now;
        self.wait(9_000);
        self.push(Body::Check(misplaced(page)));
        self.wait(42_000 + page * 500);
        let latency_ns = Some(41_200 + page * 500);
        let stages = Migrate { unmap_ns: None, copy_ns: None, remap_ns: None, ..moved(page, Cause::LazyFault) };
        self.push(Body::from(Migrate { latency_ns, ..stages }));
        self.wait(17_000);
        self.fault(SEGMENT + page * 4096, access, FaultClass::Swap, Some(2), began);
        self.wait(4_000);
    }

    pub fn touch_again(&mut self, pages: impl IntoIterator<Item = u64>) {
        self.phase("touch seg r");
        pages.into_iter().for_each(|page| self.lazy_fault(page, Access::Read));
    }

    pub fn end(mut self) -> (Meta, Vec<Event>) {
        self.phase("exit");
        self.task(TaskEvent::Exit);
        (meta(&self.events, self.now), self.events)
    }
}

pub fn misplaced(page: u64) -> Check {
    Check {
        addr: SEGMENT + page * 4096,
        pfn: FRAME + page,
        order: 0,
        src_nid: 1,
        path: CheckPath::LazyFault,
        dst_nid: Some(2),
        policy: Some(Policy::Bind),
        interleaved: false,
        lazy: true,
        verdict: Verdict::Misplaced,
        reason: None,
    }
}

pub fn moved(page: u64, cause: Cause) -> Migrate {
    Migrate {
        addr: Some(SEGMENT + page * 4096),
        old_pfn: FRAME + page,
        new_pfn: Some(NEW_FRAME + page),
        order: 0,
        src_nid: 1,
        dst_nid: Some(2),
        cause,
        result: Outcome::Ok,
        reason: None,
        latency_ns: None,
        unmap_ns: Some(12_100),
        copy_ns: Some(3_300),
        remap_ns: Some(8_900),
        mappings: None,
    }
}

/// All pages moved inside mbind.
pub fn direct(pages: u64) -> (Meta, Vec<Event>) {
    let mut tape = Tape::new();
    tape.start(pages);
    tape.move_directly(pages);
    tape.phase("touch seg r");
    tape.wait(3_000);
    tape.end()
}

/// All pages unmapped inside mbind; `touched` ones moved when read.
pub fn lazy(pages: u64, touched: impl IntoIterator<Item = u64>) -> (Meta, Vec<Event>) {
    let mut tape = Tape::new();
    tape.start(pages);
    tape.mark_lazily(pages);
    tape.touch_again(touched);
    tape.end()
}

/// A lazy run on a kernel that does not show the addresses of marks.
pub fn lazy_without_addresses(pages: u64, touched: impl IntoIterator<Item = u64>) -> (Meta, Vec<Event>) {
    let (meta, mut events) = lazy(pages, touched);
    for event in &mut events {
        if let Body::Mark(mark) = &mut event.body {
            mark.addr = None;
        }
    }
    (meta, events)
}

/// `where`: get_mempolicy of page 3, whose fault moves the page.
pub fn query() -> (Meta, Vec<Event>) {
    let mut tape = Tape::new();
    tape.start(PAGES);
    tape.mark_lazily(PAGES);
    tape.phase("where seg");
    let began = tape.now;
    tape.wait(2_000);
    tape.lazy_fault(2, Access::Read);
    tape.push(Body::from(Request {
        name: RequestName::GetMempolicy,
        addr: Some(SEGMENT + 2 * 4096),
        len: None,
        policy: None,
        flags: "node|addr".into(),
        nodemask: None,
        target_pid: None,
        ret: 0,
        latency_ns: tape.now - began,
    }));
    tape.end()
}

/// The lazy run with three of the eight migrations refused by a full ring.
pub fn lossy() -> (Meta, Vec<Event>) {
    let (mut meta, mut events) = lazy(PAGES, 0..PAGES);
    let mut left = 3;
    events.retain(|e| {
        !matches!(e.body, Body::Migrate(_)) || left == 0 || {
            left -= 1;
            false
        }
    });
    let at = events.len() - 2;
    let body = Body::Loss(Loss { probe: "lazy_migrate".into(), cause: "ring_full".into(), count: 3 });
    let ts_ns = events[at].ts_ns;
    events.insert(at, Event::at(ts_ns, body));
    for account in meta.account.iter_mut().filter(|a| a.probe == Probe::LazyMigrate) {
        account.stored = account.seen - 3;
        account.lost.insert("ring_full".into(), 3);
    }
    (meta, events)
}
