//! Counts of placement syscalls, batches and losses, which come as events.

use std::collections::BTreeMap;

use migtrace_common::errno;

use super::{
    family::{Families, labels},
    table,
};
use crate::{
    counts::Times,
    event::{Batch, Body, Cause, Event, LossCause, Probe, ProbeName, Request, RequestName, Work},
};

/// A count with its latencies.
#[derive(Clone, Debug, Default)]
struct Count {
    events: u64,
    ok_pages: u64,
    /// `None` if no batch reported it.
    unmoved_pages: Option<u64>,
    failed_pages: u64,
    times: Times,
}

/// Counts of events since the start.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    batches: BTreeMap<(Cause, Work), Count>,
    results: BTreeMap<(RequestName, String), u64>,
    requests: BTreeMap<RequestName, Times>,
    /// Undecodable records, by probe.
    undecodable: BTreeMap<ProbeName, u64>,
}

impl Tally {
    /// Counts an event, if its kind is counted here.
    pub fn see(&mut self, event: &Event) {
        match &event.body {
            Body::Batch(batch) => self.see_batch(batch),
            Body::Request(request) => self.see_request(request),
            // The BPF programs count all other causes.
            Body::Loss(loss) if loss.cause == LossCause::Undecodable => {
                *self.undecodable.entry(loss.probe.clone()).or_default() += loss.count;
            }
            _ => {}
        }
    }

    fn see_batch(&mut self, batch: &Batch) {
        let count = self.batches.entry((batch.cause, batch.work.clone())).or_default();
        count.events += 1;
        count.ok_pages += batch.done_pages();
        if let Some(unmoved) = batch.unmoved {
            *count.unmoved_pages.get_or_insert(0) += unmoved;
        }
        count.failed_pages += batch.failed;
        count.times.count(batch.latency_ns);
    }

    fn see_request(&mut self, request: &Request) {
        *self.results.entry((request.name, result(request.ret))).or_default() += 1;
        self.requests.entry(request.name).or_default().count(request.latency_ns);
    }

    /// Undecodable records of a probe.
    pub(super) fn undecodable(&self, probe: Probe) -> u64 {
        self.undecodable.get(&probe.into()).copied().unwrap_or(0)
    }
}

/// The result of a syscall as a label. move_pages(2) and migrate_pages(2) return the number of pages not migrated.
fn result(ret: i64) -> String {
    match ret {
        0 => "ok".to_owned(),
        1.. => "partial".to_owned(),
        _ => {
            let number = ret.unsigned_abs();
            // Linux has errors up to 4095. Other values would make a label each.
            match i32::try_from(number).ok().and_then(errno::name) {
                Some(name) => name,
                None if number < 4096 => format!("errno#{number}"),
                None => "unknown".to_owned(),
            }
        }
    }
}

pub(super) fn fill(families: &mut Families, tally: &Tally) {
    for ((cause, work), count) in &tally.batches {
        let of = || [("cause", Some(cause.word().to_owned())), ("mode", Some(work.mode().to_owned()))];
        families.add(&table::BATCHES, labels(of()), count.events);
        let freed = count.unmoved_pages.map(|pages| ("freed", pages));
        for (result, pages) in [("ok", count.ok_pages), ("failed", count.failed_pages)].into_iter().chain(freed) {
            let [cause, mode] = of();
            families.add(&table::BATCH_PAGES, labels([cause, mode, ("result", Some(result.to_owned()))]), pages);
        }
        families.add_times(&table::BATCH_LATENCY, labels(of()), &count.times);
    }
    for ((name, result), calls) in &tally.results {
        let by = labels([("name", Some(name.word().to_owned())), ("result", Some(result.clone()))]);
        families.add(&table::REQUESTS, by, *calls);
    }
    for (name, times) in &tally.requests {
        families.add_times(&table::REQUEST_LATENCY, labels([("name", Some(name.word().to_owned()))]), times);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_call_returned_is_a_word() {
        assert_eq!(result(0), "ok");
        assert_eq!(result(7), "partial");
        assert_eq!(result(-i64::from(libc::EINVAL)), "EINVAL");
        assert_eq!(result(-4000), "errno#4000");
        assert_eq!(result(i64::MIN), "unknown");
    }
}
