//! The programs' own counters: events seen, stored and lost.

use std::collections::HashMap;

use aya::maps::{MapData, MapError, PerCpuArray};
use migtrace_common::counters::{PROGRAMS_PER_PROBE, Probe, ProbeCounters, counters_index};

/// The programs' per-CPU counters.
pub struct Counters(PerCpuArray<MapData, ProbeCounters>);

impl Counters {
    pub(super) fn new(map: PerCpuArray<MapData, ProbeCounters>) -> Self {
        Self(map)
    }

    /// Sums over all CPUs and programs, by probe.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn read(&self) -> Result<HashMap<Probe, ProbeCounters>, MapError> {
        Probe::ALL.iter().map(|&probe| Ok((probe, self.of(probe)?))).collect()
    }

    fn of(&self, probe: Probe) -> Result<ProbeCounters, MapError> {
        (0..PROGRAMS_PER_PROBE).try_fold(ProbeCounters::default(), |total, program| {
            let per_cpu = self.0.get(&counters_index(probe, program), 0)?;
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
