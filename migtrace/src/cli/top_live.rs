//! What `migtrace top` needs when it is live: the running kernel as a source of the screen.

use std::collections::BTreeMap;

use migtrace::{
    counts::{Beside, Counts},
    event::Event,
    live::{
        host::topology::{NodesOfCpus, topology},
        session::Session,
    },
    recording::{ProcessDetails, ProgramCost, Topology},
    tui::{
        driver::source::{Control, Controlled, Source},
        state::session::Playing,
    },
};

use super::follow;

/// Records that the screen takes in a tenth of a second from all CPUs together: of faults, and of each other kind. More could
/// not be read one by one, and counting does not need them.
const RECORDS: Beside = Beside { faults: 500, others: 5000 };
/// Each CPU makes at least so many.
const LEAST_RECORDS: u32 = 16;

/// A CPU's share of [`RECORDS`].
pub(crate) fn records_of_a_cpu() -> Beside {
    let cpus = NodesOfCpus::read().possible_cpus().max(1);
    let share = |records: u32| (records / cpus).max(LEAST_RECORDS);
    Beside { faults: share(RECORDS.faults), others: share(RECORDS.others) }
}

/// Of the screen's ten ticks a second, every third is one of the session, which takes about four.
const TICKS_PER_SESSION_TICK: u32 = 3;

pub(crate) struct LiveSource {
    session: Session,
    /// The processes that --pid lists.
    pids: Vec<u32>,
    /// Messages about them, until the screen takes them.
    messages: Vec<String>,
    have_exited: bool,
    ticks: u32,
}

impl LiveSource {
    pub(crate) fn new(session: Session, pids: Vec<u32>) -> Self {
        let messages = follow::not_followed(&session).into_iter().collect();
        Self { session, pids, messages, have_exited: false, ticks: 0 }
    }
}

impl Source for LiveSource {
    async fn next(&mut self) -> Option<Vec<Event>> {
        self.session.next().await
    }

    fn tick(&mut self, _now_ns: u64) {
        if self.ticks.is_multiple_of(TICKS_PER_SESSION_TICK) {
            self.session.tick();
            if !self.have_exited && self.session.processes_have_exited() {
                self.have_exited = true;
                self.messages.push(follow::have_exited(&self.pids));
            }
        }
        self.ticks = self.ticks.wrapping_add(1);
    }

    fn message(&mut self) -> Option<String> {
        self.messages.pop()
    }

    fn have_exited(&self) -> bool {
        self.have_exited
    }

    fn control(&mut self, _control: Control) -> Controlled {
        Controlled::GoOn
    }

    fn playing(&self) -> Option<Playing> {
        None
    }

    fn counts(&mut self) -> Option<Counts> {
        // Counts that cannot be read now are read again in a second; the screen keeps what it has.
        self.session.counts().ok().flatten().cloned()
    }

    fn programs(&self) -> Vec<ProgramCost> {
        self.session.programs()
    }

    fn silenced(&self) -> bool {
        self.session.interrupted()
    }

    fn cgroups(&self) -> Option<BTreeMap<u64, String>> {
        Some(self.session.cgroup_paths())
    }

    fn topology(&self) -> Option<Topology> {
        Some(topology())
    }

    fn processes(&mut self) -> Option<(Vec<ProcessDetails>, u64)> {
        self.session.processes()
    }
}
