//! What only the end of a recording shows, and its place in the metadata: one epilogue for every command that traces.

use std::collections::{BTreeMap, HashMap};

use super::{attach::program_info::Ran, host::vmstat, ring::reader::Closing};
use crate::{
    event::Probe,
    recording::{Meta, OwnCost, Topology, coverage::mark_interrupted},
};

/// What is known when all events are read.
#[derive(Debug)]
pub(super) struct End {
    /// CLOCK_BOOTTIME, ns.
    pub end_ns: u64,
    /// What the kernel's counters gained since the start.
    pub vmstat_delta: vmstat::Counters,
    /// Paths of the cgroups of all events.
    pub cgroups: BTreeMap<u64, String>,
    /// What the reader knows.
    pub closing: Closing,
    /// How often each program ran.
    pub ran: Vec<Ran>,
    /// Whether the kernel called no program on a function for a time.
    pub interrupted: bool,
    /// Largest resident size of this process, bytes.
    pub max_rss_bytes: Option<u64>,
    /// The nodes at the end.
    pub topology: Topology,
}

impl End {
    /// The metadata of the whole recording, from what was known at its start.
    pub(super) fn complete(self, mut meta: Meta) -> Meta {
        let Closing { account, late, processes, cpu_ns, .. } = self.closing;
        meta.end_ns = Some(self.end_ns);
        meta.vmstat_delta = self.vmstat_delta;
        meta.cgroups = self.cgroups;
        meta.topology.add(&self.topology);
        (meta.processes, meta.evicted_processes) = processes;
        meta.late_events = late;
        meta.account = account;
        let missed = missed(&self.ran);
        for account in &mut meta.account {
            account.missed = account.probe.known().and_then(|probe| missed.get(&probe).copied());
        }
        meta.own_cost = Some(OwnCost {
            programs: self.ran.iter().map(Ran::cost).collect(),
            reader_cpu_ns: Some(cpu_ns),
            writer_cpu_ns: None,
            max_rss_bytes: self.max_rss_bytes,
        });
        if self.interrupted {
            mark_interrupted(&mut meta.probes);
        }
        meta
    }
}

/// Runs that the kernel missed, by probe.
fn missed(ran: &[Ran]) -> HashMap<Probe, u64> {
    let mut missed = HashMap::new();
    for ran in ran {
        *missed.entry(ran.probe).or_default() += ran.runs.missed;
    }
    missed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        live::{attach::program_info::Runs, symbols::perf_maps::Rejected},
        recording::{Fidelity, ProbeAccount, ProbeInfo, ProcessDetails},
    };

    fn end() -> End {
        let account = |probe: Probe| ProbeAccount { seen: 5, stored: 5, ..ProbeAccount::empty(probe.into()) };
        let ran = |program, missed| {
            let runs = Runs { run_ns: 700, run_count: 7, missed };
            Ran { program, probe: Probe::Fault, runs }
        };
        End {
            end_ns: 99,
            vmstat_delta: [("pgmigrate_success".to_owned(), 3)].into(),
            cgroups: [(7, "/db".to_owned())].into(),
            closing: Closing {
                account: vec![account(Probe::Fault), account(Probe::Task)],
                late: 2,
                lost_mappings: 0,
                processes: (vec![ProcessDetails { pid: 5, ..ProcessDetails::default() }], 6),
                rejected_perf_maps: Rejected::default(),
                cpu_ns: 11,
            },
            ran: vec![ran("fault_entry", 1), ran("fault_exit", 3)],
            interrupted: false,
            max_rss_bytes: Some(1 << 20),
            topology: Topology::default(),
        }
    }

    /// The log of the running kernel had no late events, cgroups and overhead: each command filled in its own part.
    #[test]
    fn every_recording_ends_with_all_that_is_known() {
        let start = Meta { start_ns: 1, filter: Some("kind = fault".to_owned()), ..Meta::default() };
        let meta = end().complete(start.clone());
        assert_eq!((meta.start_ns, meta.end_ns, &meta.filter), (1, Some(99), &start.filter));
        assert_eq!((meta.late_events, &*meta.cgroups[&7], meta.vmstat_delta["pgmigrate_success"]), (2, "/db", 3));
        assert_eq!((meta.processes[0].pid, meta.evicted_processes), (5, 6));
        let missed: Vec<_> = meta.account.iter().map(|account| (account.probe.as_str(), account.missed)).collect();
        assert_eq!(missed, [("fault", Some(4)), ("task", None)]);
        let cost = meta.own_cost.expect("the overhead");
        assert_eq!((cost.reader_cpu_ns, cost.writer_cpu_ns, cost.max_rss_bytes), (Some(11), None, Some(1 << 20)));
        let programs: Vec<_> = cost.programs.iter().map(|p| (&*p.name, p.run_ns, p.run_count, p.missed)).collect();
        assert_eq!(
            programs,
            [("fault_entry", Some(700), Some(7), Some(1)), ("fault_exit", Some(700), Some(7), Some(3))]
        );
    }

    #[test]
    fn an_interruption_is_marked_in_the_probes_on_functions() {
        let probe = ProbeInfo {
            probe: Probe::Fault.into(),
            field: None,
            attached: Some("fexit handle_mm_fault".to_owned()),
            error: None,
            fidelity: Fidelity::Exact.into(),
        };
        let meta = Meta { probes: vec![probe], ..Meta::default() };
        assert_eq!(end().complete(meta.clone()).probes[0].fidelity, Fidelity::Exact);
        assert_eq!(End { interrupted: true, ..end() }.complete(meta).probes[0].fidelity, Fidelity::Estimated);
    }
}
