//! Keeps the counts and answers scrapes.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use super::{cost, scrape::Ask};
use crate::{
    counts::Beside,
    doctor::{self, View},
    event::{Kind, escape_control},
    filter::{Filter, predicate::Predicate},
    live::{
        host::{cgroups::Cgroups, nodes::NodeWatch, topology::topology},
        privilege,
        scope::Scope,
        session::{Session, SessionError},
    },
    metrics::{Cost, Families, Shown, Snapshot, Tally},
    recording::{Meta, coverage::mark_interrupted},
};

/// Counts younger than this are not read again.
const FRESH: Duration = Duration::from_secs(1);
/// Counts are never older than this.
const OLDEST: Duration = Duration::from_secs(10);
/// Time between two ticks of the session.
const TICK: Duration = Duration::from_millis(250);
/// Size of each CPU's ring: it carries only placement syscalls and batches.
const RING_BYTES: u32 = 256 << 10;
/// Kinds that are counted.
const KINDS: [Kind; 6] = [Kind::Fault, Kind::Check, Kind::Mark, Kind::Migrate, Kind::Batch, Kind::Request];

/// What is traced: the whole system. All but placement syscalls and batches are counted in the kernel only.
#[must_use]
pub fn scope(diagnostics: bool) -> Scope {
    Scope {
        ring_bytes: Some(RING_BYTES),
        aggregate: Some(Beside::default()),
        // Cgroups are looked up from the counts, and evicted with their series.
        enrich: false,
        diagnostics,
        ..Scope::of(Filter::from(Predicate::Kind(KINDS.into_iter().collect())), privilege::READING)
    }
}

/// The counts, and pending requests.
pub struct Serving {
    session: Session,
    meta: Meta,
    views: Vec<View>,
    tally: Tally,
    cgroups: Cgroups,
    shown: Shown,
    started_s: Option<f64>,
    refreshes: u64,
    refresh: Duration,
    /// Time of the last read.
    read: Option<Instant>,
    families: Arc<Families>,
}

impl Serving {
    /// Serves the counts of `session`, with series for at most `most_cgroups` cgroups.
    #[must_use]
    pub fn new(session: Session, most_cgroups: usize) -> Self {
        let mut meta = session.meta().clone();
        let views = doctor::views(&meta.probes);
        for probe in &mut meta.probes {
            probe.attached = probe.attached.as_deref().map(escape_control);
        }
        Self {
            session,
            meta,
            views,
            tally: Tally::default(),
            cgroups: Cgroups::running(),
            shown: Shown::new(most_cgroups),
            started_s: cost::started_s(),
            refreshes: 0,
            refresh: Duration::ZERO,
            read: None,
            families: Arc::default(),
        }
    }

    /// Answers requests until `stop` is ready; then detaches the programs.
    ///
    /// # Errors
    /// If the counts cannot be read.
    pub async fn run(
        mut self,
        mut asks: mpsc::Receiver<Ask>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), SessionError> {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(stop);
        loop {
            tokio::select! {
                batch = self.session.next() => match batch {
                    Some(batch) => batch.iter().for_each(|event| self.tally.see(event)),
                    None => break,
                },
                Some(ask) = asks.recv() => {
                    self.refresh(FRESH)?;
                    // The client may have disconnected meanwhile.
                    let _ = ask.send(Arc::clone(&self.families));
                }
                () = &mut stop => break,
                _ = tick.tick() => {
                    self.session.tick();
                    if self.session.interrupted() {
                        mark_interrupted(&mut self.meta.probes);
                    }
                    self.refresh(OLDEST)?;
                }
            }
        }
        self.session.stop(|_| Ok(())).await.map(drop)
    }

    /// Reads the counts, unless they are younger than `age`.
    fn refresh(&mut self, age: Duration) -> Result<(), SessionError> {
        let began = Instant::now();
        let elapsed = self.read.map(|read| began - read);
        if elapsed.is_some_and(|elapsed| elapsed < age) {
            return Ok(());
        }
        // Nodes and memory come online and go offline.
        self.meta.topology = topology();
        let counters = self.session.counters()?;
        let ran = self.session.ran();
        let measured = self.session.measured();
        let Some(counts) = self.session.counts()? else { return Ok(()) };
        let by_cgroup = &counts.processes.cgroups;
        by_cgroup.keys().for_each(|id| self.cgroups.see(*id));
        let elapsed_s = elapsed.unwrap_or_default().as_secs_f64();
        self.shown.update(by_cgroup, &self.cgroups.paths(), elapsed_s);
        let forgotten = self.shown.forget(&counts.processes.running_in());
        let so_far = Cost {
            started_s: self.started_s,
            refreshes: self.refreshes,
            refresh: self.refresh,
            ..cost::so_far(&ran, measured)
        };
        let snapshot = Snapshot {
            meta: &self.meta,
            counts,
            tally: &self.tally,
            cgroups: &self.shown,
            counters: &counters,
            views: &self.views,
            cost: &so_far,
            nodes: &NodeWatch::running().now().into_values().collect::<Vec<_>>(),
        };
        self.families = Arc::new(snapshot.families());
        self.session.forget_cgroups(&forgotten);
        forgotten.iter().for_each(|id| self.cgroups.forget(*id));
        self.read = Some(began);
        self.refreshes += 1;
        self.refresh += began.elapsed();
        Ok(())
    }
}
