//! Reads the programs' counts from their maps.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use aya::{
    Pod,
    maps::{MapData, MapError, PerCpuHashMap, PerCpuValues},
};
use migtrace_common::tally::{MAX_PROCESSES, ProcessKey, ProcessTally, Tally, TallyKey};

use super::{counters::Counters, process_start};
use crate::{
    counts::{Counts, Process, Sort},
    decode::names::Names,
    event::ProcessId,
};

/// Reads between two checks for exited processes, as long as the map has room.
const READS_PER_CLEANING: u32 = 16;

/// The maps with counts.
pub struct Maps {
    pub tallies: PerCpuHashMap<MapData, TallyKey, Tally>,
    pub processes: PerCpuHashMap<MapData, ProcessKey, ProcessTally>,
}

/// Reads the counts repeatedly.
pub struct Reader {
    maps: Maps,
    counters: Arc<Counters>,
    names: Names,
    counts: Counts,
    reads: u32,
}

impl Reader {
    /// For the maps of the attached programs.
    #[must_use]
    pub fn new(maps: Maps, counters: Arc<Counters>, names: Names) -> Self {
        Self { maps, counters, names, counts: Counts::default(), reads: 0 }
    }

    /// Reads the current counts.
    ///
    /// # Errors
    /// If a map cannot be read.
    pub fn read(&mut self) -> Result<&Counts, MapError> {
        // Before the sums of all processes, which may grow meanwhile: no process has more than all.
        self.read_processes()?;
        self.counts.sorts.clear();
        self.counts.unreadable = 0;
        for entry in entries(&self.maps.tallies) {
            let (key, cpus) = entry?;
            match Sort::of(&key, &self.names) {
                Ok(sort) => {
                    let count = self.counts.sorts.entry(sort).or_default();
                    cpus.iter().for_each(|tally| count.add(tally));
                }
                Err(error) => {
                    log::debug!("{error}");
                    self.counts.unreadable += cpus.iter().map(|tally| tally.events).sum::<u64>();
                }
            }
        }
        self.counts.probes = self.counters.read()?.into_iter().collect();
        Ok(&self.counts)
    }

    /// Drops the counts of these cgroups, which have no running processes.
    pub fn forget_cgroups(&mut self, ids: &[u64]) {
        for id in ids {
            self.counts.processes.cgroups.remove(id);
        }
    }

    fn read_processes(&mut self) -> Result<(), MapError> {
        let crowded = self.counts.processes.live.len() as u32 > MAX_PROCESSES / 2;
        // Finds exited processes first: nothing more is counted for them afterwards.
        let ended =
            if crowded || self.reads.is_multiple_of(READS_PER_CLEANING) { self.ended() } else { BTreeSet::new() };
        self.reads = self.reads.wrapping_add(1);
        let mut read = BTreeMap::new();
        for entry in entries(&self.maps.processes) {
            let (key, cpus) = entry?;
            let mut process = Process::default();
            cpus.iter().for_each(|tally| process += tally);
            read.insert(ProcessId::from(&key), process);
        }
        self.counts.processes.update(read);
        for id in &ended {
            // A missing entry was not counted after the last read.
            let _ = self.maps.processes.remove(&ProcessKey { pid: id.pid, start_ns: id.start_ns.unwrap_or(0), pad: 0 });
        }
        self.counts.processes.end(&ended);
        Ok(())
    }

    /// The processes of the last read that have exited.
    fn ended(&self) -> BTreeSet<ProcessId> {
        let live = self.counts.processes.live.keys();
        let has_ended =
            |id: &ProcessId| id.start_ns.is_some_and(|start_ns| !process_start::is_running(id.pid, start_ns));
        live.copied().filter(has_ended).collect()
    }
}

/// All entries. Entries added or removed meanwhile may be included.
fn entries<K: Pod, V: Pod>(
    map: &PerCpuHashMap<MapData, K, V>,
) -> impl Iterator<Item = Result<(K, PerCpuValues<V>), MapError>> {
    map.keys().filter_map(|key| {
        let found = key.and_then(|key| Ok((key, map.get(&key, 0)?)));
        // It existed when its key was read.
        (!matches!(found, Err(MapError::KeyNotFound))).then_some(found)
    })
}
