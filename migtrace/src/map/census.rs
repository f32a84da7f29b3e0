//! A map as the events of a census, and the maps of a trace's censuses.

use std::collections::HashMap;

use super::{
    cells::Cells,
    model::{HugeFrom, Map, RangesFrom, Region, Sources},
    place::Run,
};
use crate::{
    event::{Body, Census, Comm, Event, NodeMask, Policy, ProcessId, RegionClass},
    units::PAGE_BYTES,
};

/// Policies, as the kernel writes their modes in numa_maps.
const MODES: [(&str, Policy); 7] = [
    ("default", Policy::Default),
    ("prefer", Policy::Preferred),
    ("bind", Policy::Bind),
    ("interleave", Policy::Interleave),
    ("local", Policy::Local),
    ("prefer (many)", Policy::PreferredMany),
    ("weighted interleave", Policy::WeightedInterleave),
];

/// The events of a map with runs: those of each mapping cover it.
#[must_use]
pub fn events(map: &Map) -> Vec<Event> {
    let reading_ns = map.end_ns.saturating_sub(map.begin_ns);
    let mut events = Vec::new();
    for region in &map.regions {
        let (policy, nodes) = policy(region.policy.as_deref());
        let mut take = |addr: u64, pages: u64, place| {
            let census = Census {
                addr,
                pages,
                place,
                reading_ns,
                len: region.end - region.start,
                class: region.kind.parse().unwrap_or(RegionClass::Other),
                permissions: region.permissions.clone(),
                name: region.name.clone(),
                policy,
                nodes: nodes.clone(),
            };
            let event = Event::at(map.end_ns, Body::Census(Box::new(census)));
            let (pid, comm) = (map.process.pid, Comm::from(&*map.comm));
            events.push(Event { pid, tid: pid, comm, process_start_ns: map.process.start_ns, ..event });
        };
        let mut at = region.start;
        for run in &region.runs {
            if run.addr > at {
                take(at, (run.addr - at) / PAGE_BYTES, None);
            }
            take(run.addr, run.pages, Some(run.place));
            at = run.end();
        }
        if region.end > at {
            take(at, (region.end - at) / PAGE_BYTES, None);
        }
    }
    events
}

/// `bind=static:0-1` as the mode and its nodes.
fn policy(text: Option<&str>) -> (Option<Policy>, Option<NodeMask>) {
    let Some(text) = text else { return (None, None) };
    let (mode, nodes) = text.split_once(':').map_or((text, None), |(mode, nodes)| (mode, nodes.parse().ok()));
    let mode = mode.split('=').next().unwrap_or(mode);
    (MODES.iter().find(|(word, _)| *word == mode).map(|(_, policy)| *policy), nodes)
}

fn policy_text(policy: Policy, nodes: Option<&NodeMask>) -> String {
    let mode = MODES.iter().find(|(_, known)| *known == policy).map_or("", |(word, _)| *word);
    nodes.map_or_else(|| mode.to_owned(), |nodes| format!("{mode}:{nodes}"))
}

/// Collects the censuses of a trace, of which it keeps the first and the last of each process.
#[derive(Default)]
pub struct Maps {
    /// Up to which time censuses are taken.
    until_ns: Option<u64>,
    /// In the order of their first census.
    processes: Vec<Mapped>,
    index: HashMap<ProcessId, usize>,
}

/// A process with its first and its last map.
pub struct Mapped {
    first: Option<Map>,
    last: Map,
}

impl Mapped {
    /// Its only or last map.
    #[must_use]
    pub fn last(&self) -> &Map {
        &self.last
    }

    /// Its first map, if it has several.
    #[must_use]
    pub fn first(&self) -> Option<&Map> {
        self.first.as_ref()
    }
}

impl Maps {
    /// For the censuses up to this time; `None`: all.
    #[must_use]
    pub fn until(until_ns: Option<u64>) -> Self {
        Self { until_ns, ..Self::default() }
    }

    /// Takes the next event.
    pub fn take(&mut self, event: &Event) {
        let Body::Census(census) = &event.body else { return };
        if self.until_ns.is_some_and(|until_ns| event.ts_ns > until_ns) {
            return;
        }
        let process = event.process();
        let Some(mapped) = self.index.get(&process).and_then(|index| self.processes.get_mut(*index)) else {
            self.index.insert(process, self.processes.len());
            let mut last = empty(event, census);
            add(&mut last, census);
            self.processes.push(Mapped { first: None, last });
            return;
        };
        if event.ts_ns != mapped.last.end_ns {
            let before = std::mem::replace(&mut mapped.last, empty(event, census));
            mapped.first.get_or_insert(before);
        }
        add(&mut mapped.last, census);
    }

    /// The processes with a census, in the order of their first one.
    #[must_use]
    pub fn processes(&self) -> &[Mapped] {
        &self.processes
    }
}

fn empty(event: &Event, census: &Census) -> Map {
    Map {
        process: event.process(),
        comm: String::from_utf8_lossy(event.comm.as_bytes()).into_owned(),
        begin_ns: event.ts_ns.saturating_sub(census.reading_ns),
        end_ns: event.ts_ns,
        regions: Vec::new(),
        threads: std::collections::BTreeMap::new(),
        sources: Sources {
            by_frame: 0,
            by_move_pages: 0,
            refused: None,
            ranges: RangesFrom::Census,
            huge: HugeFrom::Census,
        },
        cells: Cells::default(),
    }
}

/// Adds a run: to the last mapping, or as the first of the next.
fn add(map: &mut Map, census: &Census) {
    let Census { addr, pages, .. } = *census;
    if map.regions.last().is_none_or(|region| addr >= region.end) {
        map.regions.push(Region {
            start: addr,
            end: addr.saturating_add(census.len),
            permissions: census.permissions.clone(),
            kind: census.class.word(),
            name: census.name.clone(),
            policy: census.policy.map(|policy| policy_text(policy, census.nodes.as_ref())),
            ..Region::default()
        });
    }
    if let (Some(region), Some(place)) = (map.regions.last_mut(), census.place) {
        let run = Run { addr, pages, place };
        region.counts.add(place, pages);
        run.append(&mut region.runs);
        map.cells.add(&run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::place::Place;

    fn region(start: u64, end: u64, policy: &str, runs: &[Run]) -> Region {
        let mut region = Region { start, end, policy: Some(policy.into()), kind: "anon", ..Region::default() };
        region.permissions = "rw-p".into();
        runs.iter().for_each(|run| region.counts.add(run.place, run.pages));
        region.runs = runs.to_vec();
        region
    }

    fn map(end_ns: u64, regions: Vec<Region>) -> Map {
        let process = ProcessId { pid: 7, start_ns: Some(3) };
        let event =
            Event { pid: 7, process_start_ns: process.start_ns, ..Event::at(end_ns, Body::Census(Box::new(a_run()))) };
        let run = Census { reading_ns: 5, ..a_run() };
        Map { regions, ..empty(&event, &run) }
    }

    fn a_run() -> Census {
        let (policy, nodes) = (None, None);
        let (class, permissions, name) = (RegionClass::Anon, String::new(), String::new());
        Census { addr: 0, pages: 1, place: None, reading_ns: 0, len: 4096, class, permissions, name, policy, nodes }
    }

    #[test]
    fn a_map_is_the_same_after_a_census() {
        let run = |page: u64, pages, place| Run { addr: page * PAGE_BYTES, pages, place };
        let page = |page: u64| page * PAGE_BYTES;
        let regions = vec![
            region(page(1), page(9), "bind:0-1", &[run(2, 3, Place::Node(1)), run(5, 1, Place::Zero)]),
            region(page(9), page(10), "default", &[]),
            region(page(10), page(12), "prefer (many):2", &[run(10, 2, Place::Swap)]),
        ];
        let (first, last) = (map(100, regions[..1].to_vec()), map(900, regions));
        let mut maps = Maps::default();
        let all: Vec<Event> = [&first, &last].into_iter().flat_map(events).collect();
        all.iter().for_each(|event| maps.take(event));
        let [mapped] = maps.processes() else { panic!("one process") };
        let described = |map: &Map| {
            let of = |r: &Region| (r.start, r.end, r.kind, r.policy.clone(), r.counts.clone(), r.runs.clone());
            (map.process, map.begin_ns, map.end_ns, map.regions.iter().map(of).collect::<Vec<_>>())
        };
        assert_eq!(described(mapped.last()), described(&last));
        assert_eq!(mapped.first().map(described), Some(described(&first)));
        let mut maps = Maps::until(Some(899));
        all.iter().for_each(|event| maps.take(event));
        assert_eq!((maps.processes()[0].last().end_ns, maps.processes()[0].first().is_none()), (100, true));
    }

    #[test]
    fn policies_are_as_the_kernel_writes_them() {
        for text in ["default", "prefer:1", "weighted interleave:0,2", "prefer (many):0-1", "local"] {
            let (mode, nodes) = policy(Some(text));
            assert_eq!(policy_text(mode.expect(text), nodes.as_ref()), text);
        }
        let nodes = "0-1".parse().expect("nodes");
        assert_eq!(policy(Some("bind=static:0-1")), (Some(Policy::Bind), Some(nodes)));
        assert_eq!(policy(Some("other:1")).0, None);
    }
}
