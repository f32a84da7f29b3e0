//! The account: per probe, what was seen is stored or lost. Filtered, sampled out and missed are counted beside it.

use std::collections::{BTreeMap, HashMap};

use migtrace_common::counters::ProbeCounters;
use serde::{Deserialize, Serialize};

use crate::event::{Body, Comm, Event, Loss, LossCause, LossName, Probe, ProbeName};

/// One probe's account: `seen = stored + sum(lost)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeAccount {
    pub probe: ProbeName,
    /// Events that passed the filter and are in the sample.
    pub seen: u64,
    /// Events in the trace.
    pub stored: u64,
    /// Events lost, by cause.
    pub lost: BTreeMap<LossName, u64>,
    /// Events that the filter excluded.
    pub filtered: u64,
    /// Events that passed the filter and that the sample did not select.
    #[serde(default)]
    pub sampled_out: u64,
    /// Times that the kernel did not run the probe's programs, because one was already running on that CPU; `None` if not
    /// known. No count has the events that they would have seen.
    #[serde(default)]
    pub missed: Option<u64>,
}

impl ProbeAccount {
    /// An account in which nothing was seen.
    #[must_use]
    pub fn empty(probe: ProbeName) -> Self {
        Self { probe, seen: 0, stored: 0, lost: BTreeMap::new(), filtered: 0, sampled_out: 0, missed: None }
    }

    /// Events lost, for all causes.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.values().sum()
    }

    /// `seen - stored - lost`; anything but 0 is an error of migtrace.
    #[must_use]
    pub fn missing(&self) -> i128 {
        i128::from(self.seen) - i128::from(self.stored) - i128::from(self.lost())
    }
}

/// Events lost as counted by loss events: the account of a recording that was cut off.
#[must_use]
pub fn lost_by_events(events: &[Event]) -> u64 {
    let count = |e: &Event| if let Body::Loss(l) = &e.body { l.count } else { 0 };
    events.iter().map(count).sum()
}

/// The probe name of a record that names no known probe.
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

/// The account while recording: counts what came out of the rings, and compares it with the programs' counters.
#[derive(Default)]
pub struct Account {
    decoded: Counts,
    undecodable: Counts,
    filtered: Counts,
    reported: HashMap<(ProbeName, LossCause), u64>,
}

impl Account {
    /// Counts a record of `probe` that became an event.
    pub fn decoded(&mut self, probe: Option<Probe>) {
        self.decoded.add(probe);
    }

    /// Counts a record of `probe` that became an event which the filter excludes.
    pub fn filtered(&mut self, probe: Option<Probe>) {
        self.filtered.add(probe);
    }

    /// Counts a record of `probe` that could not be read.
    pub fn undecodable(&mut self, probe: Option<Probe>) {
        self.undecodable.add(probe);
    }

    /// Loss events for what the counters gained since the last call.
    pub fn new_losses(&mut self, ts_ns: u64, counters: &HashMap<Probe, ProbeCounters>) -> Vec<Event> {
        let mut events = Vec::new();
        for (probe, cause, total) in self.losses(counters) {
            let reported = self.reported.entry((probe.clone(), cause)).or_default();
            if total > *reported {
                events.push(event(ts_ns, Loss { probe, cause: cause.into(), count: total - *reported }));
                *reported = total;
            }
        }
        events
    }

    /// The final account. Correct only after the programs are detached and the rings are drained.
    #[must_use]
    pub fn close(&self, counters: &HashMap<Probe, ProbeCounters>) -> Vec<ProbeAccount> {
        let losses = self.losses(counters);
        let account = |&probe: &Probe| {
            let counted = counters.get(&probe).copied().unwrap_or_default();
            let stored = self.decoded.of(probe);
            let mut lost: BTreeMap<LossName, u64> = losses
                .iter()
                .filter(|(lost, ..)| *lost == probe)
                .map(|(_, cause, count)| ((*cause).into(), *count))
                .collect();
            // The programs apply a part of the filter. What only the whole filter excludes is filtered all the same.
            let filtered = self.filtered.of(probe);
            let seen = counted.seen.saturating_sub(filtered);
            let unread = seen.saturating_sub(stored + lost.values().sum::<u64>());
            if unread > 0 {
                lost.insert(LossCause::Unread.into(), unread);
            }
            ProbeAccount {
                seen,
                stored,
                lost,
                filtered: counted.filtered + filtered,
                sampled_out: counted.sampled_out,
                ..ProbeAccount::empty(probe.into())
            }
        };
        Probe::ALL.iter().map(account).collect()
    }

    /// Events known to be lost: probe, cause, count since the start.
    fn losses(&self, counters: &HashMap<Probe, ProbeCounters>) -> Vec<(ProbeName, LossCause, u64)> {
        let losses = Probe::ALL.into_iter().flat_map(|probe| {
            let counted = counters.get(&probe).copied().unwrap_or_default();
            [
                (probe.into(), LossCause::RingFull, counted.ring_full),
                (probe.into(), LossCause::NoStart, counted.no_start),
                (probe.into(), LossCause::Undecodable, self.undecodable.of(probe)),
            ]
        });
        losses
            .chain([(UNKNOWN.into(), LossCause::Undecodable, self.undecodable.of_unknown())])
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
    use crate::testkit;

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
        let counters = HashMap::from([(Probe::Fault, counted)]);
        let mut account = Account::default();
        (0..5).for_each(|_| account.decoded(Some(Probe::Fault)));
        account.undecodable(Some(Probe::Fault));
        (0..4).for_each(|_| account.filtered(Some(Probe::Fault)));
        let reported = account.new_losses(1, &counters);
        assert_eq!(reported.len(), 3);
        assert!(account.new_losses(2, &counters).is_empty(), "each loss is reported once");
        let fault =
            account.close(&counters).into_iter().find(|a| a.probe == Probe::Fault).expect("every probe is there");
        let expected =
            [(LossCause::NoStart, 1), (LossCause::RingFull, 2), (LossCause::Undecodable, 1), (LossCause::Unread, 1)];
        assert_eq!(fault.lost, expected.map(|(cause, n)| (cause.into(), n)).into());
        assert_eq!((fault.missing(), fault.lost()), (0, 5));
        assert_eq!((fault.seen, fault.filtered, fault.sampled_out), (10, 5 + 4, 6));
    }

    #[test]
    fn a_recording_is_lossless_if_its_account_is_final_and_balances() {
        let (meta, events) = testkit::lossy();
        assert!(meta.account.iter().all(|account| account.missing() == 0));
        assert!(!meta.is_lossless());
        assert_eq!(lost_by_events(&events), 3);
        let (mut meta, _) = testkit::direct(8);
        assert!(meta.is_lossless());
        meta.account[0].stored -= 1;
        assert_eq!((meta.is_lossless(), meta.account[0].missing()), (false, 1));
        let (mut meta, _) = testkit::direct(8);
        meta.end_ns = None;
        assert!(!meta.is_lossless());
    }
}
