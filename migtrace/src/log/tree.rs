//! Lines, nested as the events are. Long runs of equal ones are folded into one line.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Write},
    mem::discriminant,
};

use super::{options::Options, request, sentence};
use crate::{
    event::{Body, Comm, Outcome},
    model::{Run, latency::Latencies},
    text::{self, Line, Tone, ansi, line},
};

/// Runs up to this length are written in full, so the classic range of 8 pages always is.
const LONGEST_RUN: usize = 16;
/// Lines of a longer run that are written before the rest is folded.
const SHOWN_OF_RUN: usize = 2;

/// Nested events that are part of a signature.
const MOST_SIGNED: usize = 8;

/// The header of the columns.
pub(super) fn columns() -> Line {
    Tone::Dim.paint(format!("{:>10}  {:<8} {:<16} {}", "ms", "cpu/node", "task", "what happened")).into()
}

/// Writes sibling events and the events nested in them.
pub(super) fn siblings(
    run: &Run,
    events: &[usize],
    depth: usize,
    options: &Options,
    out: &mut dyn Write,
) -> io::Result<()> {
    let shown = visible(run, events, options);
    let signatures: Vec<u64> = shown.iter().map(|&i| signature(run, i)).collect();
    let mut at = 0;
    while at < shown.len() {
        let length = signatures[at..].iter().take_while(|s| **s == signatures[at]).count();
        let (all, run_of) = (&shown[at..at + length], at + length);
        let written = if length > LONGEST_RUN && !options.all { &all[..SHOWN_OF_RUN] } else { all };
        for &i in written {
            ansi::write(&of_event(run, i, depth), out)?;
            if let Body::Request(r) = &run.events[i].body {
                ansi::write(&aside(line!["it ", request::requests(run, i, r)], depth + 1), out)?;
            }
            siblings(run, run.nest.children(i), depth + 1, options, out)?;
        }
        if written.len() < all.len() {
            let folded = in_one_line(run, &all[SHOWN_OF_RUN..]);
            ansi::write(&below("...", folded, depth), out)?;
        }
        at = run_of;
    }
    Ok(())
}

/// Whether any of these makes a line.
pub(super) fn shows_any(run: &Run, events: &[usize], options: &Options) -> bool {
    let shows = |&i: &usize| options.filter.wants(&run.events[i]) || shows_any(run, run.nest.children(i), options);
    events.iter().any(shows)
}

/// The events to show. A hidden event is replaced by the events nested in it.
fn visible(run: &Run, events: &[usize], options: &Options) -> Vec<usize> {
    let mut shown = Vec::new();
    for &i in events {
        if options.filter.wants(&run.events[i]) {
            shown.push(i);
        } else {
            shown.extend(visible(run, run.nest.children(i), options));
        }
    }
    shown
}

fn of_event(run: &Run, index: usize, depth: usize) -> Line {
    let event = &run.events[index];
    let ms = text::ms_since(event.start_ns(), run.zero_ns());
    let columns = Columns { ms, cpu: event.cpu, cpu_node: event.cpu_node, comm: event.comm, tid: event.tid };
    columns.line(depth, sentence::of_event(run, index))
}

/// The columns at the start of a line.
pub(super) struct Columns {
    /// Since the recording began.
    pub(super) ms: f64,
    pub(super) cpu: u32,
    pub(super) cpu_node: Option<i32>,
    pub(super) comm: Comm,
    pub(super) tid: u32,
}

impl Columns {
    pub(super) fn line(&self, depth: usize, text: Line) -> Line {
        let node = self.cpu_node.map_or_else(|| "?".into(), |n| n.to_string());
        let (place, task) = (format!("{}/{node}", self.cpu), format!("{}/{}", self.comm, self.tid));
        let columns = Tone::Dim.paint(format!("{:>10.3}  {place:<8} {task:<16}", self.ms));
        line![columns, format!(" {:indent$}", "", indent = 2 * depth), text]
    }
}

/// A hash that is equal for events that differ only in page, node and time, with all events nested in them.
pub(crate) fn signature(run: &Run, index: usize) -> u64 {
    let mut hasher = DefaultHasher::new();
    // Events of different tasks are never folded together.
    (run.events[index].pid, run.events[index].tid).hash(&mut hasher);
    sign(run, index, &mut hasher);
    hasher.finish()
}

fn sign(run: &Run, index: usize, h: &mut DefaultHasher) {
    let body = &run.events[index].body;
    discriminant(body).hash(h);
    match body {
        Body::Fault(f) => (f.access, f.class, f.major, &f.result).hash(h),
        Body::Check(c) => (c.verdict, c.policy, &c.reason).hash(h),
        Body::Mark(m) => (m.result, &m.reason, m.order).hash(h),
        Body::Migrate(m) => (m.cause, m.result, &m.reason, m.order).hash(h),
        Body::Batch(b) => (b.cause, &b.work, b.succeeded, b.unmoved, b.failed).hash(h),
        Body::Request(r) => (r.name, &r.flags, r.policy, r.ret).hash(h),
        Body::Task(t) => t.what.hash(h),
        Body::Region(r) => r.class.hash(h),
        Body::Place(p) => (p.what, p.src_nid, p.dst_nid).hash(h),
        Body::Phase(_) | Body::Node(_) | Body::Census(_) | Body::Loss(_) => index.hash(h),
    }
    // Batches of thousands already differ by their own counts.
    for &child in run.nest.children(index).iter().take(MOST_SIGNED) {
        sign(run, child, h);
    }
}

/// Many events of one signature in one line: their pages, nodes and durations.
pub(crate) fn in_one_line(run: &Run, events: &[usize]) -> String {
    let mut parts = vec![which(run, events)];
    parts.extend(moves(run, events));
    let time = |&i: &usize| Some((run.events[i].latency_ns()?, run.events[i].weight()));
    let times: Latencies = events.iter().filter_map(time).collect();
    if let (Some(median), Some(min), Some(max)) = (times.median_ns(), times.min_ns(), times.max_ns()) {
        let [median, min, max] = [median, min, max].map(text::duration);
        parts.push(format!("each {min} to {max}, median {median}"));
    }
    parts.join("; ")
}

/// A line that explains the line above.
pub(super) fn aside(text: impl Into<Line>, depth: usize) -> Line {
    below("", text, depth)
}

/// The same, with this in the column of times.
fn below(ms: &str, text: impl Into<Line>, depth: usize) -> Line {
    let mut line = Line::from(format!("{ms:>10}  {:8} {:16} {:indent$}", "", "", "", indent = 2 * depth));
    for span in text.into() {
        line.push(if span.tone == Tone::Plain { Tone::Dim.paint(span.text) } else { span });
    }
    line
}

fn which(run: &Run, events: &[usize]) -> String {
    let places: Option<Vec<_>> = events.iter().map(|&i| run.segments.place(run.events[i].pid, run.addr(i)?)).collect();
    let many = events.len();
    let Some(places) = places.filter(|p| p.iter().all(|q| q.segment == p[0].segment)) else {
        return format!("{many} more: the same");
    };
    let pages = |of: fn(u64, u64) -> u64| places.iter().map(|p| p.page).reduce(of).unwrap_or(0);
    let (first, last) = (pages(u64::min), pages(u64::max));
    if places.windows(2).all(|w| w[0].page + 1 == w[1].page) {
        format!("pages {first}..{last}: the same")
    } else {
        format!("{many} more between pages {first} and {last}: the same")
    }
}

/// Pages by pair of nodes, of the events and of those directly nested in them.
fn moves(run: &Run, events: &[usize]) -> Option<String> {
    let mut pairs: BTreeMap<(i32, Option<i32>), u64> = BTreeMap::new();
    for &i in events.iter().flat_map(|i| std::iter::once(i).chain(run.nest.children(*i))) {
        if let Body::Migrate(m) = &run.events[i].body
            && m.result == Outcome::Ok
        {
            *pairs.entry((m.src_nid, m.dst_nid)).or_default() += run.events[i].weight() * m.pages();
        }
    }
    let text = |(&(from, to), pages): (&(i32, Option<i32>), &u64)| {
        let to = to.map_or_else(|| "?".into(), |n| n.to_string());
        format!("{} from node {from} to {to}", text::count(*pages, "page"))
    };
    (!pairs.is_empty()).then(|| pairs.iter().map(text).collect::<Vec<_>>().join(", "))
}
