//! A placement syscall in words: what it requests, what it returned, and its effect on pages.

use super::page;
use crate::{
    event::{Body, Outcome, Request, RequestName},
    model::{Run, address::pages_of, totals::move_requests},
    text::{self, Line, Tone, escape_control, line},
};

/// The syscall, what it returned, and its effect on pages.
pub(super) fn sentence(run: &Run, index: usize, r: &Request) -> Line {
    line![returned(r), effect(run, index)]
}

/// The syscall, and what it returned.
pub(super) fn returned(r: &Request) -> Line {
    let target = r.target_pid.map(|pid| format!(" for process {pid}")).unwrap_or_default();
    let returned = if r.ret < 0 { Tone::Bad } else { Tone::Plain }.paint(text::returned(r.ret));
    let after = format!(" after {}", text::duration(r.latency_ns));
    line![Tone::Syscall.paint(call(r)), target, " ", returned, after]
}

/// The syscall with its arguments, as far as the trace has them.
fn call(r: &Request) -> String {
    let mut arguments = Vec::new();
    match (move_requests::range_of(r), r.addr, r.len) {
        (Some((addr, len)), ..) => arguments.push(format!("{addr:#x}, {}", text::count(pages_of(addr, len), "page"))),
        (None, Some(addr), _) => arguments.push(format!("{addr:#x}")),
        (None, None, Some(pages)) => arguments.push(text::count(pages, "page")),
        (None, None, None) => {}
    }
    arguments.extend(r.policy.map(|p| p.to_string()));
    arguments.extend(nodes(r));
    if !r.flags.is_empty() {
        arguments.push(escape_control(&r.flags));
    }
    format!("{}({})", r.name, arguments.join(", "))
}

fn nodes(r: &Request) -> Option<String> {
    let mask = r.nodemask.as_ref()?;
    match mask.nodes() {
        [] => None,
        [one] => Some(format!("node {one}")),
        _ => Some(format!("nodes {mask}")),
    }
}

/// What the syscall requests, for a line of its own.
pub(super) fn requests(run: &Run, index: usize, r: &Request) -> Line {
    if is_node_query(r) { query(run, index, r) } else { means(r).into() }
}

/// Whether it is the query of a page's node, which touches the page.
fn is_node_query(r: &Request) -> bool {
    let has = |word: &str| r.flags.split('|').any(|f| f == word);
    r.name == RequestName::GetMempolicy && has("node") && has("addr")
}

/// What a syscall with these arguments requests.
pub(super) fn means(r: &Request) -> String {
    let has = |word: &str| r.flags.split('|').any(|f| f == word);
    let moves = has("move") || has("move_all");
    match r.name {
        RequestName::Mbind if r.is_lazy() => {
            "sets the policy of these pages; unmaps those on other nodes, to be checked at their next touch".into()
        }
        RequestName::Mbind if moves => {
            "sets the policy of these pages; migrates those on other nodes now, while the caller waits".into()
        }
        RequestName::Mbind => "sets the policy of these pages; existing pages are not migrated".into(),
        RequestName::SetMempolicy => "sets the policy of the calling thread".into(),
        RequestName::SetMempolicyHomeNode => "sets the home node of the range".into(),
        RequestName::GetMempolicy if is_node_query(r) => "queries the node of the page, by touching it".into(),
        RequestName::GetMempolicy => "queries the policy".into(),
        RequestName::MovePages => {
            "queries the node of each page, or migrates each page to the node given for it".into()
        }
        RequestName::MigratePages => "migrates all pages of a process from some nodes to others".into(),
    }
}

/// `get_mempolicy(MPOL_F_NODE|MPOL_F_ADDR)` touches the page, and a touch can migrate it.
fn query(run: &Run, index: usize, r: &Request) -> Line {
    let page = r.addr.map_or_else(|| "a page".into(), |addr| page::of_addr(run, run.events[index].pid, addr, 0, false));
    let inside = run.nest.descendants(index);
    let moved = inside.iter().any(|&i| matches!(&run.events[i].body, Body::Migrate(m) if m.result == Outcome::Ok));
    let faulted = inside.iter().any(|&i| matches!(run.events[i].body, Body::Fault(_)));
    let mut line = Line::from(format!("queries the node of {page}"));
    if moved || faulted {
        line.push(", by touching it");
    }
    if moved {
        line.push(": ");
        line.push(Tone::Good.paint("the query itself migrated the page"));
    }
    line
}

/// The effect on pages before the syscall returned.
fn effect(run: &Run, index: usize) -> Line {
    let (mut marked, mut refused) = (0, 0);
    for i in run.nest.descendants(index) {
        let weight = run.events[i].weight();
        match &run.events[i].body {
            Body::Mark(m) if m.result == Outcome::Ok => marked += weight << m.order,
            Body::Mark(m) => refused += weight << m.order,
            _ => {}
        }
    }
    let migrated = run.moved_inside_pages(index).unwrap_or(0);
    let failed = run.failed_inside_pages(index).unwrap_or(0);
    let parts = [
        (migrated, Tone::Good, "migrated"),
        (failed, Tone::Bad, "not migrated"),
        (marked, Tone::Warn, "marked"),
        (refused, Tone::Bad, "not marked"),
    ];
    let effects: Vec<Line> = parts
        .into_iter()
        .filter(|(pages, ..)| *pages > 0)
        .map(|(pages, tone, word)| tone.paint(format!("{} {word}", text::count(pages, "page"))).into())
        .collect();
    if effects.is_empty() { Line::new() } else { line![": ", Line::join(effects, ", ")] }
}
