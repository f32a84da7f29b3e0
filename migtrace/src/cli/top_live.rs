//! What `migtrace top` needs when it is live: the running kernel as a source of the screen.

use std::collections::BTreeMap;

use migtrace::{
    counts::{Beside, Counts},
    event::Event,
    live::{
        host::{cgroups::Cgroups, stranded_pages::LeftBehind, topology::NodesOfCpus},
        session::Live,
    },
    recording::ProgramCost,
    tui::{
        driver::source::{Control, Controlled, Source},
        state::session::Playing,
    },
};

/// Records of faults, and of each of the others, that the screen takes in a tenth of a second, from all CPUs together. More
/// would not be seen one by one, and counting does not need them.
const RECORDS: Beside = Beside { faults: 500, others: 5000 };
/// A CPU makes at least so many.
const LEAST_RECORDS: u32 = 16;

/// What one CPU may make of [`RECORDS`].
pub(crate) fn records_of_a_cpu() -> Beside {
    let cpus = NodesOfCpus::read().possible_cpus().max(1);
    let share = |records: u32| (records / cpus).max(LEAST_RECORDS);
    Beside { faults: share(RECORDS.faults), others: share(RECORDS.others) }
}

/// The kernel wants its programs measured only now and then, and counts the calls: about four a second.
const TICKS_PER_LIVE_TICK: u32 = 3;

pub(crate) struct LiveSource {
    live: Live,
    cgroups: Cgroups,
    left_behind: LeftBehind,
    ticks: u32,
}

impl LiveSource {
    pub(crate) fn new(live: Live) -> Self {
        Self { live, cgroups: Cgroups::running(), left_behind: LeftBehind::default(), ticks: 0 }
    }
}

impl Source for LiveSource {
    async fn next(&mut self) -> Option<Vec<Event>> {
        let mut events = self.live.next().await?;
        for event in &mut events {
            self.cgroups.see(event.cgroup_id);
            self.left_behind.fill(event);
        }
        Some(events)
    }

    fn tick(&mut self, _now_ns: u64) {
        if self.ticks.is_multiple_of(TICKS_PER_LIVE_TICK) {
            self.live.tick();
        }
        self.ticks = self.ticks.wrapping_add(1);
    }

    fn control(&mut self, _control: Control) -> Controlled {
        Controlled::GoOn
    }

    fn playing(&self) -> Option<Playing> {
        None
    }

    fn counts(&mut self) -> Option<Counts> {
        // What cannot be read now is tried again in a second; the screen goes on with what it has.
        self.live.counts().ok().flatten().cloned()
    }

    fn programs(&self) -> Vec<ProgramCost> {
        self.live.programs()
    }

    fn silenced(&self) -> bool {
        self.live.silenced()
    }

    fn cgroups(&self) -> Option<BTreeMap<u64, String>> {
        Some(self.cgroups.paths())
    }
}
