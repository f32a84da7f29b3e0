//! The account: what the programs saw against what reached the trace, by probe and cause.

use std::collections::{BTreeMap, HashMap};

use migtrace_common::counters::{Probe, ProbeCounters};

use crate::{
    event::{Body, Comm, Event, Loss},
    recording::ProbeAccount,
};

/// What a record that names no probe is counted by.
const UNKNOWN: &str = "unknown";

/// Counts by probe, and of records that name none.
#[derive(Default)]
struct Counts([u64; Probe::ALL.len() + 1]);

impl Counts {
    fn add(&mut self, probe: Option<Probe>) {
        self.0[probe.map_or(Probe::ALL.len(), |probe| probe as usize)] += 1;
    }

    fn of(&self, probe: Probe) -> u64 {
        self.0[probe as usize]
    }

    fn of_unknown(&self) -> u64 {
        self.0[Probe::ALL.len()]
    }
}

/// Counts what came out of the ring, and compares it with the programs' counters.
#[derive(Default)]
pub struct Account {
    decoded: Counts,
    undecodable: Counts,
    filtered: Counts,
    told: HashMap<(&'static str, &'static str), u64>,
}

impl Account {
    /// A record of `probe` became an event.
    pub fn decoded(&mut self, probe: Option<Probe>) {
        self.decoded.add(probe);
    }

    /// A record of `probe` became an event that the filter leaves out.
    pub fn filtered(&mut self, probe: Option<Probe>) {
        self.filtered.add(probe);
    }

    /// A record of `probe` could not be read.
    pub fn undecodable(&mut self, probe: Option<Probe>) {
        self.undecodable.add(probe);
    }

    /// Loss events for what the counters gained since the last call.
    pub fn new_losses(&mut self, ts_ns: u64, counters: &HashMap<&'static str, ProbeCounters>) -> Vec<Event> {
        let mut events = Vec::new();
        for (probe, cause, total) in self.losses(counters) {
            let told = self.told.entry((probe, cause)).or_default();
            if total > *told {
                let loss = Loss { probe: probe.to_owned(), cause: cause.to_owned(), count: total - *told };
                *told = total;
                events.push(event(ts_ns, loss));
            }
        }
        events
    }

    /// The final account. Right only when the programs are detached and the ring is drained.
    #[must_use]
    pub fn close(&self, counters: &HashMap<&'static str, ProbeCounters>) -> Vec<ProbeAccount> {
        let account = |probe: &Probe| {
            let name = probe.name();
            let counted = counters.get(name).copied().unwrap_or_default();
            let stored = self.decoded.of(*probe);
            let mut lost: BTreeMap<String, u64> = self
                .losses(counters)
                .into_iter()
                .filter(|(probe, ..)| *probe == name)
                .map(|(_, cause, count)| (cause.to_owned(), count))
                .collect();
            // What the programs let through and the whole filter does not is filtered as if they had not.
            let filtered = self.filtered.of(*probe);
            let seen = counted.seen.saturating_sub(filtered);
            // What the programs committed and nobody read: zero, or a fault of ours that must show.
            let unread = seen.saturating_sub(stored + lost.values().sum::<u64>());
            if unread > 0 {
                lost.insert("unread".to_owned(), unread);
            }
            ProbeAccount {
                probe: name.to_owned(),
                seen,
                stored,
                lost,
                filtered: counted.filtered + filtered,
                sampled_out: counted.sampled_out,
                missed: None,
            }
        };
        Probe::ALL.iter().map(account).collect()
    }

    /// Events known to be lost: probe, cause, count since the start.
    fn losses(&self, counters: &HashMap<&'static str, ProbeCounters>) -> Vec<(&'static str, &'static str, u64)> {
        let losses = Probe::ALL.iter().flat_map(|probe| {
            let name = probe.name();
            let counted = counters.get(name).copied().unwrap_or_default();
            [
                (name, "ring_full", counted.ring_full),
                (name, "no_start", counted.no_start),
                (name, "undecodable", self.undecodable.of(*probe)),
            ]
        });
        losses
            .chain([(UNKNOWN, "undecodable", self.undecodable.of_unknown())])
            .filter(|(.., count)| *count > 0)
            .collect()
    }
}

fn event(ts_ns: u64, loss: Loss) -> Event {
    let pid = std::process::id();
    Event { pid, tid: pid, comm: Comm::from("migtrace"), ..Event::at(ts_ns, Body::Loss(loss)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seen_is_stored_plus_lost() {
        let counted = ProbeCounters {
            seen: 14,
            stored: 11,
            ring_full: 2,
            no_start: 1,
            filtered: 5,
            sampled_out: 6,
            ..Default::default()
        };
        let counters = HashMap::from([("fault", counted)]);
        let mut account = Account::default();
        (0..5).for_each(|_| account.decoded(Some(Probe::Fault)));
        account.undecodable(Some(Probe::Fault));
        (0..4).for_each(|_| account.filtered(Some(Probe::Fault)));
        let told = account.new_losses(1, &counters);
        assert_eq!(told.len(), 3);
        assert!(account.new_losses(2, &counters).is_empty(), "each loss is told once");
        let fault = account.close(&counters).into_iter().find(|a| a.probe == "fault").expect("every probe is there");
        let expected = [("no_start", 1), ("ring_full", 2), ("undecodable", 1), ("unread", 1)];
        assert_eq!(fault.lost, expected.map(|(cause, n)| (cause.to_owned(), n)).into());
        assert_eq!(fault.seen, fault.stored + fault.lost());
        assert_eq!((fault.seen, fault.filtered, fault.sampled_out), (10, 5 + 4, 6));
    }
}
