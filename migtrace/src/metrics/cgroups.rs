//! Chooses which cgroups have series of their own: a limited number of the most active ones. Counters never decrease:
//! counts made while a cgroup is shown stay its own, all others stay in `other`. A cgroup that gets its series back
//! continues its counters, unless it was evicted. Of cgroups without series and without processes only the most active
//! are kept.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    family::{Families, Labels, Value},
    table,
    text::seconds,
};
use crate::{
    counts::Process,
    event::{Probe, ProbeField, escape_control},
    recording::Meta,
};

/// Label for all cgroups without series. A path begins with `/`.
const OTHER: &str = "other";
/// Half-life of the activity of a cgroup, seconds.
const HALF_LIFE_S: f64 = 300.0;
/// A cgroup takes over the series of another one if it is this many times as active.
const HYSTERESIS: f64 = 2.0;
/// Limit of cgroups without series and without processes: on a machine with a cgroup for each job their number only
/// grows.
const REMEMBERED: usize = 4096;

/// All cgroups, shown or not.
#[derive(Clone, Debug)]
pub struct Shown {
    most: usize,
    cgroups: BTreeMap<u64, Cgroup>,
    other: Process,
    forgotten: u64,
}

#[derive(Clone, Debug, Default)]
struct Cgroup {
    /// State of a shown cgroup.
    path: Option<String>,
    /// All its counts.
    last: Process,
    /// Its counts while it was shown.
    own: Process,
    activity: f64,
}

impl Shown {
    /// Shows at most `most` cgroups.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, cgroups: BTreeMap::new(), other: Process::default(), forgotten: 0 }
    }

    /// Updates the totals of all cgroups. `elapsed_s` is the time since the last call, seconds. A cgroup without a path
    /// in `paths` gets no series.
    pub fn update(&mut self, totals: &BTreeMap<u64, Process>, paths: &BTreeMap<u64, String>, elapsed_s: f64) {
        let decay = 0.5_f64.powf(elapsed_s / HALF_LIFE_S);
        for (id, total) in totals {
            let cgroup = self.cgroups.entry(*id).or_default();
            cgroup.activity = cgroup.activity * decay + events(&total.since(&cgroup.last));
        }
        self.choose(paths);
        for (id, total) in totals {
            let Some(cgroup) = self.cgroups.get_mut(id) else { continue };
            let growth = total.since(&cgroup.last);
            if cgroup.path.is_some() {
                cgroup.own.merge(&growth)
            } else {
                self.other.merge(&growth)
            }
            cgroup.last = *total;
        }
    }

    /// Evicts the least active cgroups without series and processes, beyond [`REMEMBERED`], and returns their ids.
    /// Their counts stay in `other`. The caller must restart their totals at 0.
    pub fn forget(&mut self, running: &BTreeSet<u64>) -> Vec<u64> {
        let idle = self.by_activity(|id, cgroup| cgroup.path.is_none() && !running.contains(&id));
        let many = idle.len().saturating_sub(REMEMBERED);
        let forgotten: Vec<u64> = idle.into_iter().take(many).map(|(_, id)| id).collect();
        for id in &forgotten {
            self.cgroups.remove(id);
        }
        self.forgotten += forgotten.len() as u64;
        forgotten
    }

    /// Gives free series to the most active cgroups, and takes series from much less active ones.
    fn choose(&mut self, paths: &BTreeMap<u64, String>) {
        let mut shown: Vec<(f64, u64)> = self.by_activity(|_, cgroup| cgroup.path.is_some());
        let waiting = self.by_activity(|id, cgroup| cgroup.path.is_none() && paths.contains_key(&id));
        // In both lists the most active is last.
        let mut least = shown.drain(..);
        let mut free = self.most.saturating_sub(least.len());
        for (activity, id) in waiting.into_iter().rev() {
            if free > 0 {
                free -= 1;
            } else {
                match least.next() {
                    Some((its, loser)) if activity > its * HYSTERESIS && activity > 0.0 => {
                        self.cgroups.entry(loser).or_default().path = None;
                    }
                    _ => break,
                }
            }
            self.cgroups.entry(id).or_default().path = paths.get(&id).map(|path| escape_control(path));
        }
    }

    fn by_activity(&self, are: impl Fn(u64, &Cgroup) -> bool) -> Vec<(f64, u64)> {
        let cgroups = self.cgroups.iter().filter(|(id, cgroup)| are(**id, cgroup));
        let mut found: Vec<(f64, u64)> = cgroups.map(|(id, cgroup)| (cgroup.activity, *id)).collect();
        found.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        found
    }

    /// Cgroups with series, by path, and `other`. Two cgroups with the same path, one of them deleted, are summed.
    fn all(&self) -> BTreeMap<&str, Process> {
        let mut all = BTreeMap::from([(OTHER, self.other)]);
        for cgroup in self.cgroups.values() {
            if let Some(path) = &cgroup.path {
                all.entry(path).or_default().merge(&cgroup.own);
            }
        }
        all
    }
}

/// Activity of a cgroup: faults, and checks and migrations of its pages.
fn events(process: &Process) -> f64 {
    (process.faults + process.misplaced + process.moved_pages + process.failed_pages) as f64
}

pub(super) fn fill(families: &mut Families, shown: &Shown, meta: &Meta) {
    let any = |probes: [Probe; 2]| meta.best_coverage(&probes).is_available();
    let (faults, checks) = (meta.coverage(Probe::Fault, None).is_available(), any([Probe::Check, Probe::HintingCheck]));
    let fault_field = |field| meta.coverage(Probe::Fault, field).is_available();
    let (times, waits) = (fault_field(ProbeField::LatencyNs), fault_field(ProbeField::Class));
    let moves = any([Probe::DirectMigrate, Probe::LazyMigrate]);
    for (cgroup, process) in shown.all() {
        let whole = |count| Value::Whole(count);
        let known = [
            (&table::CGROUP_FAULTS, faults, whole(process.faults)),
            (&table::CGROUP_REMOTE, fault_field(ProbeField::Nid), whole(process.remote_faults)),
            (&table::CGROUP_SECONDS, times, Value::Fraction(seconds(process.fault_ns))),
            (&table::CGROUP_WAITS, waits, whole(process.migration_waits)),
            (&table::CGROUP_WAIT_SECONDS, waits && times, Value::Fraction(seconds(process.migration_wait_ns))),
            (&table::CGROUP_MISPLACED, checks, whole(process.misplaced)),
            (&table::CGROUP_MOVED, moves, whole(process.moved_pages)),
            (&table::CGROUP_FAILED, moves, whole(process.failed_pages)),
        ];
        for (metric, is_known, value) in known {
            if is_known {
                families.set(metric, Labels::from([("cgroup", cgroup.to_owned())]), value);
            }
        }
    }
    let own = shown.cgroups.values().filter(|cgroup| cgroup.path.is_some()).count();
    let others = shown.cgroups.len() - own;
    for (word, count) in [("own", own as u64), (OTHER, others as u64), ("forgotten", shown.forgotten)] {
        families.set(&table::CGROUPS, vec![("shown", word.to_owned())], Value::Whole(count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn did(faults: u64) -> Process {
        Process { faults, ..Process::default() }
    }

    fn paths(ids: std::ops::Range<u64>) -> BTreeMap<u64, String> {
        ids.map(|id| (id, format!("/{id}"))).collect()
    }

    fn faults(shown: &Shown) -> BTreeMap<String, u64> {
        shown.all().into_iter().map(|(path, process)| (path.to_owned(), process.faults)).collect()
    }

    #[test]
    fn the_most_active_are_shown_and_the_rest_is_other() {
        let mut shown = Shown::new(2);
        shown.update(&[(1, did(5)), (2, did(50)), (3, did(500)), (9, did(7))].into(), &paths(1..4), 10.0);
        assert_eq!(faults(&shown), [("/2".into(), 50), ("/3".into(), 500), ("other".into(), 12)].into());
    }

    #[test]
    fn no_counter_falls_when_series_change_hands() {
        let mut shown = Shown::new(1);
        let known = paths(1..3);
        shown.update(&[(1, did(100)), (2, did(10))].into(), &known, 10.0);
        shown.update(&[(1, did(100)), (2, did(150))].into(), &known, 10.0);
        assert_eq!(faults(&shown), [("/1".into(), 100), ("other".into(), 150)].into(), "not twice as active yet");
        shown.update(&[(1, did(100)), (2, did(1150))].into(), &known, 10.0);
        assert_eq!(faults(&shown), [("/2".into(), 1000), ("other".into(), 150)].into());
        // An hour later the first one is back and continues its counters.
        shown.update(&[(1, did(9100)), (2, did(1150))].into(), &known, 3600.0);
        assert_eq!(faults(&shown), [("/1".into(), 9100), ("other".into(), 150)].into());
    }

    #[test]
    fn ended_cgroups_are_forgotten_and_their_counts_are_not() {
        let mut shown = Shown::new(1);
        // One job per second, each in its own cgroup; one in a thousand keeps a process.
        let jobs = 3 * REMEMBERED as u64;
        let mut totals = BTreeMap::from([(0, did(1_000_000))]);
        let mut running = BTreeSet::new();
        for job in 1..=jobs {
            totals.insert(job, did(2));
            if job % 1000 == 0 {
                running.insert(job);
            }
            if job % 512 == 0 {
                shown.update(&totals, &paths(0..1), 512.0);
                for gone in shown.forget(&running) {
                    assert!(totals.remove(&gone).is_some());
                }
            }
        }
        assert!(running.iter().all(|id| totals.contains_key(id)), "a cgroup with processes is not forgotten");
        assert!(totals.contains_key(&jobs), "the last ones are remembered");
        assert_eq!(totals.len(), shown.cgroups.len());
        assert!(totals.len() <= REMEMBERED + running.len() + 1, "{}", totals.len());
        assert_eq!(totals.len() as u64 + shown.forgotten, jobs + 1);
        assert_eq!(faults(&shown), [("/0".into(), 1_000_000), ("other".into(), 2 * jobs)].into());
        // A cgroup that comes back starts again at 0, as its totals do.
        totals.insert(1, did(5));
        shown.update(&totals, &paths(0..1), 1.0);
        assert_eq!(faults(&shown)["other"], 2 * jobs + 5);
    }

    #[test]
    fn a_cgroup_without_a_path_is_in_other() {
        let mut shown = Shown::new(9);
        shown.update(&[(4, did(3))].into(), &BTreeMap::new(), 1.0);
        assert_eq!(faults(&shown), [("other".into(), 3)].into());
    }
}
