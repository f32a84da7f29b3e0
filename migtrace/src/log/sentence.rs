//! One event in words.

use super::{page, request};
use crate::{
    event::*,
    model::{
        Run,
        address::{PAGE_BYTES, pages_of},
        page_history::steps::What,
        totals::move_requests,
    },
    text::{self, Line, Span, Tone, escape_control, line, quantity},
};

/// The event, as one sentence.
pub(crate) fn of_event(run: &Run, index: usize) -> Line {
    match &run.events[index].body {
        Body::Fault(f) => line![fault(&page::of_event(run, index), f), owner(&run.events[index])],
        Body::Check(c) => check(&named_unless_obvious(run, index), c),
        Body::Mark(m) => mark(&page::of_event(run, index), m),
        Body::Migrate(m) => {
            let sentence = migrate(&named_unless_obvious(run, index), m, run.nest.parent(index).is_none());
            line![sentence, owner(&run.events[index])]
        }
        Body::Batch(b) => batch(b),
        Body::Request(r) => request::sentence(run, index, r),
        Body::Task(t) => task(t).into(),
        Body::Region(r) => region(r).into(),
        Body::Phase(p) => format!("phase: {}", escape_control(&p.text)).into(),
        Body::Place(p) => line![place(p), owner(&run.events[index])],
        Body::Node(n) => node(n),
        Body::Census(c) => census(c).into(),
        Body::Loss(l) => {
            let (probe, cause) = (escape_control(l.probe.as_str()), escape_control(l.cause.as_str()));
            let lost = text::count(l.count, "event");
            Tone::Bad.paint(format!("LOST: {lost} of probe {probe} ({cause})")).into()
        }
    }
}

/// A change of place without a migration.
pub(super) fn place(p: &Place) -> Line {
    let (pages, addr, nodes) = (text::count(p.len.div_ceil(PAGE_BYTES), "page"), p.addr, nodes(p));
    let text = match p.what {
        PlaceChange::Collapse => format!("{pages} at {addr:#x} collapsed into a huge page, {nodes}"),
        PlaceChange::Cow => format!("page at {addr:#x} copied on write, {nodes}"),
        PlaceChange::SwapIn => format!("page at {addr:#x} came back from swap, {nodes}"),
        PlaceChange::Ksm => format!("page at {addr:#x} merged with an equal one by KSM, {nodes}"),
        PlaceChange::Remap => format!("range of {pages} at {} now mapped at {addr:#x}", old_address(p)),
        PlaceChange::Migrate => format!("{pages} at {addr:#x} migrated in this mapping, too, {nodes}"),
        PlaceChange::Uffd if p.from_addr.is_some() => {
            format!("userfaultfd moved the range of {pages} at {} to {addr:#x}", old_address(p))
        }
        PlaceChange::Uffd => format!("userfaultfd mapped a page at {addr:#x}, {nodes}"),
        PlaceChange::MapAround => format!("{pages} at {addr:#x} mapped along, {nodes}"),
        PlaceChange::Unmap if p.src_nid.is_some() => {
            format!("{pages} at {addr:#x} unmapped, {nodes}, for reclaim or a lazy mark")
        }
        PlaceChange::Unmap => format!("range of {pages} at {addr:#x} unmapped"),
    };
    if p.changes_node() { Tone::Remote.paint(text).into() } else { text.into() }
}

/// Where a page was and is: `from node 1 to node 2`, `on node 1`.
pub(super) fn nodes(p: &Place) -> String {
    match (p.src_nid, p.dst_nid) {
        (Some(from), Some(to)) if from != to => format!("from node {from} to node {to}"),
        (None, Some(to)) => format!("now on node {to}"),
        (Some(nid), _) => format!("on node {nid}"),
        (None, None) => "on an unknown node".into(),
    }
}

/// Where a range was before mremap(2).
pub(super) fn old_address(p: &Place) -> String {
    p.from_addr.map_or_else(|| "an unknown address".into(), |addr| format!("{addr:#x}"))
}

/// A node, and what changed on it.
fn node(n: &NodeFacts) -> Line {
    let memory = n.mem_bytes.map_or_else(|| "unknown memory".into(), quantity::bytes);
    let cpus = n.cpus.as_deref().map_or_else(|| "unknown".into(), escape_control);
    let has = match (n.lacks(), n.cpus.as_deref()) {
        (Some(lacks @ "no memory"), _) => format!("CPUs {cpus}, {lacks}"),
        (Some(lacks @ "no CPUs"), _) => format!("{lacks}, {memory}"),
        (Some(lacks), _) => lacks.to_owned(),
        (None, _) => format!("CPUs {cpus}, {memory}"),
    };
    let nid = n.nid;
    let tier = n.tier.map_or_else(|| "unknown".into(), |tier| tier.to_string());
    let text = match n.change {
        Some(NodeChange::Online) => format!("node {nid} came online: {has}"),
        Some(NodeChange::Offline) => format!("node {nid} went offline"),
        Some(NodeChange::Cpus) => format!("CPUs of node {nid} changed, now online: {has}"),
        Some(NodeChange::Memory) => format!("memory of node {nid} changed: {has}"),
        Some(NodeChange::Tier) => format!("node {nid} is now in memory tier {tier}"),
        None => {
            let free = n.free_bytes.map_or_else(|| "unknown".into(), quantity::bytes);
            return format!("node {nid}: {has}, {free} free").into();
        }
    };
    Tone::Warn.paint(text).into()
}

/// A run of a census.
fn census(c: &Census) -> String {
    let at = match c.place {
        Some(PagePlace::Node(nid)) => format!("on node {nid}"),
        Some(PagePlace::UnknownNode) => "on an unknown node".into(),
        Some(PagePlace::Zero) => "the page of zeros".into(),
        Some(PagePlace::Swap) => "in swap".into(),
        Some(PagePlace::Special) => "special entries".into(),
        None => "not present".into(),
    };
    let name = if c.name.is_empty() { c.class.word().to_owned() } else { escape_control(&c.name) };
    format!("census: {} at {:#x} of {name}: {at}", text::count(c.pages, "page"), c.addr)
}

/// A page fault. `page`: the page's name.
pub(super) fn fault(page: &str, f: &Fault) -> Line {
    let who = f.ip.map_or_else(|| " by the kernel".into(), |ip| format!(" at ip {ip:#x}"));
    let Some(class) = f.class else {
        return format!("{page} touched ({}){who}: page fault, outcome not recorded", f.access).into();
    };
    let major = if f.major == Some(true) { "major" } else { "minor" };
    let took = f.latency_ns.map_or_else(String::new, |ns| format!(", {}", text::duration(ns)));
    let result = f.result.as_deref().unwrap_or("ok");
    let node = match (f.nid, result) {
        (Some(nid), _) => format!(", page now on node {nid}"),
        (None, "ok") => ", node of the page unknown".into(),
        (None, _) => String::new(),
    };
    let result = match result {
        "ok" => Span::default(),
        "retry" => ", to be retried".into(),
        other => Tone::Bad.paint(format!(", ended with {}", escape_control(other))),
    };
    let fault = format!("{page} touched ({}){who}: page fault, class {class}, {major}{node}", f.access);
    line![fault, result, took, wait(f)]
}

/// The migration that a fault waited for.
fn wait(f: &Fault) -> String {
    let Some(wait) = &f.wait else { return String::new() };
    let since = text::duration(wait.inaccessible_ns);
    format!(", waited for a migration by {}/{} (cause {}), {since} after it began", wait.comm, wait.tid, wait.cause)
}

/// Whose page it is, if that is another process.
fn owner(event: &Event) -> String {
    match &event.owner {
        Owner::Other(owner) => format!(", page of {}/{}", owner.comm, owner.process.pid),
        Owner::Actor | Owner::Unknown => String::new(),
    }
}

/// A check. `page`: the page's name and a space; empty if the line above names it.
pub(super) fn check(page: &str, c: &Check) -> Line {
    let policy = asking(c);
    let verdict = match c.verdict {
        Verdict::Placed => format!("already placed, {policy} allows node {}", c.src_nid),
        Verdict::Misplaced => {
            let wants = if c.interleaved { "interleaves pages and wants this one on" } else { "wants" };
            let node = c.dst_nid.map_or_else(|| "another node".into(), |nid| format!("node {nid}"));
            format!("misplaced, {policy} {wants} {node}, the page is on node {}", c.src_nid)
        }
        Verdict::Skipped => {
            let why = c.reason.as_deref().map_or_else(|| "no reason given".into(), explained);
            format!("skipped ({why}), the page remains on node {}", c.src_nid)
        }
    };
    format!("{page}check: {verdict}").into()
}

/// What decides on which node the page should be.
pub(super) fn asking(c: &Check) -> String {
    match c.policy {
        Some(policy) => format!("policy {policy}"),
        None if c.is_hinting() => "automatic NUMA balancing".into(),
        None => "policy".into(),
    }
}

/// A mark. `page`: the page's name.
pub(super) fn mark(page: &str, m: &Mark) -> Line {
    let (nid, pfn) = (m.nid, m.pfn);
    match m.result {
        Outcome::Ok => {
            let how = format!(": unmapped on node {nid}, frame {pfn:#x}, to be checked at its next touch");
            line![page, " ", Tone::Warn.paint("marked"), how]
        }
        Outcome::Failed => {
            let why = m.reason.as_deref().map_or_else(|| "no reason given".into(), explained);
            let how = format!(" ({why}), remains mapped on node {nid}, frame {pfn:#x}");
            line![page, " ", Tone::Bad.paint("not marked"), how]
        }
    }
}

/// A migration. `page` as in [`check`]; `with_cause`: no line above shows the cause.
pub(super) fn migrate(page: &str, m: &Migrate, with_cause: bool) -> Line {
    let cause = if with_cause { format!(", cause {}", m.cause) } else { String::new() };
    let (from, frame) = (m.src_nid, m.old_pfn);
    if m.result == Outcome::Failed {
        let to = m.dst_nid.map(|nid| format!(" to node {nid}")).unwrap_or_default();
        let why = m.reason.as_deref().map(|r| format!(" ({})", explained(r))).unwrap_or_default();
        let how = format!(" from node {from}{to}{why}, remains in frame {frame:#x}{}{cause}", times(m));
        return line![page, Tone::Bad.paint("not migrated"), how];
    }
    let to = m.dst_nid.map_or_else(|| "an unknown node".into(), |nid| format!("node {nid}"));
    let new = m.new_pfn.map_or_else(|| "unknown".into(), |pfn| format!("{pfn:#x}"));
    let how = format!(" from node {from} to {to}, frame {frame:#x} -> {new}{}{cause}", times(m));
    line![page, Tone::Good.paint("migrated"), how]
}

/// Duration of a migration and, if the kernel shows them, of its stages.
fn times(m: &Migrate) -> String {
    let took = m.latency_ns.map(|ns| format!(", in {}", text::duration(ns))).unwrap_or_default();
    let waiting_ns = move_requests::waiting_ns(m).filter(|ns| *ns > 0);
    let stages = [("unmap", m.unmap_ns), ("waiting", waiting_ns), ("copy", m.copy_ns), ("remap", m.remap_ns)];
    let known: Vec<String> =
        stages.iter().filter_map(|(name, ns)| ns.map(|ns| format!("{name} {}", text::duration(ns)))).collect();
    if known.is_empty() { took } else { format!("{took}: {}", known.join(", ")) }
}

fn batch(b: &Batch) -> Line {
    let took = text::duration(b.latency_ns);
    let failed = if b.failed > 0 { Tone::Bad } else { Tone::Plain }.paint(format!("{} failed", b.failed));
    let (done, verb) = (b.done_pages(), if b.work.is_mark() { "marked" } else { "migrated" });
    // The kernel, and so /proc/vmstat, counts them as migrated.
    let unmoved = b.unmoved.filter(|n| *n > 0).map(|n| format!(", {n} freed before migration")).unwrap_or_default();
    let split = b.thp_split.filter(|n| *n > 0).map(|n| format!(", {} split", text::count(n.into(), "huge page")));
    let split = split.unwrap_or_default();
    let pages = match b.asked {
        Some(asked) => format!("{} requested, {done} {verb}{unmoved}{split}, ", text::count(asked, "page")),
        None => format!("{} {verb}{unmoved}{split}, ", text::count(done, "page")),
    };
    if b.work.is_mark() {
        return line!["batch: ", pages, failed, format!(", none migrated yet, {took}")];
    }
    let mode = escape_control(b.work.mode());
    let what = format!("batch: migrate_pages() in the kernel, cause {}, mode {mode}: ", b.cause);
    line![what, pages, failed, format!(", {took}")]
}

fn task(t: &Task) -> String {
    match t.what {
        TaskEvent::Fork => {
            let child = t.target_pid.map_or_else(|| "a child".into(), |pid| format!("process {pid}"));
            format!("forks {child}")
        }
        TaskEvent::Exec => "executes a program (exec)".into(),
        TaskEvent::Exit => "exits".into(),
        TaskEvent::Scanned => {
            let took = t.latency_ns.map(|ns| format!(", {}", text::duration(ns))).unwrap_or_default();
            format!("scans memory for NUMA balancing{took}")
        }
        TaskEvent::Moved => {
            let node = |nid: Option<i32>| nid.map_or_else(|| "an unknown node".into(), |nid| format!("node {nid}"));
            let left =
                t.pages.map(|pages| format!("; about {} of its process remain there", text::count(pages, "page")));
            format!("now runs on {}, previously on {}{}", node(t.to_node), node(t.from_node), left.unwrap_or_default())
        }
    }
}

/// A mapping.
pub(super) fn region(r: &Region) -> String {
    let policy = r.policy.map(|p| format!(", policy {p}")).unwrap_or_default();
    let name = if r.name.is_empty() { String::new() } else { format!(" {}", escape_control(&r.name)) };
    let pages = text::count(pages_of(r.addr, r.len.max(1)), "page");
    format!("mapping{name} at {:#x}: {pages} of {} KiB, class {}{policy}", r.addr, PAGE_BYTES / 1024, r.class)
}

/// A page's check or failed migration, in words; `None` for other steps.
pub(super) fn verdict(step: &What) -> Option<String> {
    match step {
        What::Check(c) => Some(match c.verdict {
            Verdict::Placed => format!("it was already placed, on node {}", c.src_nid),
            Verdict::Misplaced => {
                let wants = c.dst_nid.map_or_else(|| "another node".into(), |nid| format!("node {nid}"));
                let policy = asking(c);
                format!("{policy} wanted {wants} and the page was on node {}", c.src_nid)
            }
            Verdict::Skipped => {
                let why = c.reason.as_deref().map_or_else(|| "no reason given".into(), explained);
                format!("its check was skipped ({why}), on node {}", c.src_nid)
            }
        }),
        What::Migrate(m) if m.result == Outcome::Failed => {
            let why = m.reason.as_deref().map_or_else(|| "the kernel gives no reason".into(), explained);
            Some(format!("the kernel could not migrate it ({why})"))
        }
        _ => None,
    }
}

/// The page's name and a space; empty if the event is nested in a fault of this page.
fn named_unless_obvious(run: &Run, index: usize) -> String {
    let same = |parent: usize| {
        matches!(run.events[parent].body, Body::Fault(_)) && {
            let page = |i: usize| run.addr(i).map(crate::model::address::page_start);
            page(parent) == page(index)
        }
    };
    if run.nest.parent(index).is_some_and(same) { String::new() } else { format!("{} ", page::of_event(run, index)) }
}

pub(super) fn explained(reason: &str) -> String {
    text::reason(&escape_control(reason))
}
