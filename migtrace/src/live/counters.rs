//! The programs' own counters: events seen, stored and lost.

use std::{collections::HashMap, sync::OnceLock};

use aya::maps::{MapData, MapError, PerCpuArray};
use migtrace_common::counters::{PROGRAMS_PER_PROBE, Probe, ProbeCounters, counters_index};

/// The programs' per-CPU counters.
pub struct Counters {
    map: PerCpuArray<MapData, ProbeCounters>,
    /// By probe: `no_start` when tracing ended.
    no_start: OnceLock<HashMap<Probe, u64>>,
}

impl Counters {
    pub(super) fn new(map: PerCpuArray<MapData, ProbeCounters>) -> Self {
        Self { map, no_start: OnceLock::new() }
    }

    /// Sums over all CPUs and programs, by probe.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn read(&self) -> Result<HashMap<Probe, ProbeCounters>, MapError> {
        let mut counters = self.read_map()?;
        for (probe, no_start) in self.no_start.get().into_iter().flatten() {
            if let Some(counted) = counters.get_mut(probe) {
                let after_end = counted.no_start.saturating_sub(*no_start);
                counted.no_start -= after_end;
                counted.seen -= after_end;
            }
        }
        Ok(counters)
    }

    /// Ends the count of events whose start no program saw. While the programs are detached one by one, events begin
    /// unseen. They are not of this recording, and so not lost.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub(super) fn ignore_further_no_start(&self) -> Result<(), MapError> {
        let counters = self.read_map()?;
        self.no_start.get_or_init(|| counters.into_iter().map(|(probe, counted)| (probe, counted.no_start)).collect());
        Ok(())
    }

    fn read_map(&self) -> Result<HashMap<Probe, ProbeCounters>, MapError> {
        Probe::ALL.iter().map(|&probe| Ok((probe, self.of(probe)?))).collect()
    }

    fn of(&self, probe: Probe) -> Result<ProbeCounters, MapError> {
        (0..PROGRAMS_PER_PROBE).try_fold(ProbeCounters::default(), |total, program| {
            let per_cpu = self.map.get(&counters_index(probe, program), 0)?;
            Ok(per_cpu.iter().fold(total, |total, cpu| ProbeCounters {
                seen: total.seen + cpu.seen,
                stored: total.stored + cpu.stored,
                ring_full: total.ring_full + cpu.ring_full,
                no_start: total.no_start + cpu.no_start,
                filtered: total.filtered + cpu.filtered,
                sampled_out: total.sampled_out + cpu.sampled_out,
                aggregated_only: total.aggregated_only + cpu.aggregated_only,
                table_full: total.table_full + cpu.table_full,
            }))
        })
    }
}
