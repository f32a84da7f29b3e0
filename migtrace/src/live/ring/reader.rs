//! The thread that drains the rings, driven by a timer and never woken by a record.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use aya::maps::{MapData, MapError, RingBuf};
use tokio::sync::mpsc;

use super::reorder::{Reorder, WINDOW_NS};
use crate::{
    clock,
    decode::record::{decode, probe_of},
    live::{
        host::nodes::NodeWatch,
        process_details::DetailsReader,
        process_start::{Processes, TICK_NS},
        symbols::{
            perf_maps::Rejected,
            stacks::{self, Stacks},
        },
    },
};
use crate::{
    decode::names::Names,
    event::{Body, Event, Owner},
    filter::Filter,
    live::{counters::Counters, privilege},
    recording::{Account, ProbeAccount, ProcessDetails},
};

/// How often the rings are drained. At a million records a second on one CPU, 5 ms fill about half a MiB of its ring.
const PERIOD: Duration = Duration::from_millis(5);
/// Drains between two reads of the loss counters: about a second.
const DRAINS_PER_LOSS: u32 = 200;
/// Time between two readings of the nodes, ns.
const NODES_NS: u64 = 1_000_000_000;
/// Limit of batches that wait for the consumer. If it is reached, the reader waits, the rings fill, and the programs
/// count what does not fit. So loss has one place, and its count is exact.
const QUEUE: usize = 64;
/// Limit of records taken from one ring at a time. So other rings get their turn, and the consumer starts while full
/// rings are still being drained.
const SHARE: usize = 1 << 14;

/// Name of the thread in the kernel.
pub const THREAD_NAME: &str = "migtrace-ring";

/// A running reader.
pub struct Reader {
    /// Events in order of time, in batches; ends after [`Reader::stop`] and the last event.
    pub events: mpsc::Receiver<Vec<Event>>,
    stop: Arc<AtomicBool>,
    inbox: std::sync::mpsc::Sender<Vec<Event>>,
    thread: thread::JoinHandle<Result<Closing, MapError>>,
}

/// The result after all records are read.
#[derive(Debug)]
pub struct Closing {
    /// The account by probe.
    pub account: Vec<ProbeAccount>,
    /// Events that came out of order.
    pub late: u64,
    /// Mapping events that were lost: functions in those mappings may have no names.
    pub lost_mappings: u64,
    /// What the processes are, and how many had no room.
    pub processes: (Vec<ProcessDetails>, u64),
    /// Perf maps that were not used.
    pub rejected_perf_maps: Rejected,
    /// CPU time of the reader's thread, and of the one that parses symbols for it, ns.
    pub cpu_ns: u64,
}

impl Reader {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the thread cannot be created.
    pub fn start(
        rings: Vec<RingBuf<MapData>>,
        stacks: Option<stacks::Sources>,
        counters: Arc<Counters>,
        names: Names,
        (processes, details): (Processes, Option<DetailsReader>),
        filter: Filter,
        sees_moves: bool,
    ) -> std::io::Result<Self> {
        let (sender, events) = mpsc::channel(QUEUE);
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let (inbox, taken) = std::sync::mpsc::channel();
        let (ready, started) = std::sync::mpsc::channel();
        let run = move || {
            privilege::keep(if stacks.is_some() { privilege::NAMING } else { privilege::READING });
            let mut decoding = Decoding {
                names,
                filter,
                sees_moves,
                processes,
                details,
                stacks: stacks.map(Stacks::new),
                account: Account::default(),
                nodes: NodeWatch::running(),
                nodes_read_ns: 0,
                inbox: taken,
                unsorted: Vec::new(),
                out: Vec::new(),
            };
            // Before the workload starts: its allocations are in the difference to the last reading.
            decoding.read_nodes(clock::boot_ns());
            // The receiver is gone if the start failed.
            let _ = ready.send(());
            Drain { rings, counters, sender, reorder: Reorder::default(), decoding }.run(&stopping)
        };
        let thread = thread::Builder::new().name(THREAD_NAME.to_owned()).spawn(run)?;
        // The workload can exit immediately, so the reader must be running first.
        let _ = started.recv();
        Ok(Self { events, stop, inbox, thread })
    }

    /// Takes events that another thread made, in order of time: send them within 50 ms after that time.
    #[must_use]
    pub fn inbox(&self) -> std::sync::mpsc::Sender<Vec<Event>> {
        self.inbox.clone()
    }

    /// Requests the last drain. Detach the programs first: records committed later are not read.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Waits for the thread to end; call it after `events` has ended.
    ///
    /// # Errors
    /// If the counters cannot be read.
    pub fn join(self) -> Result<Closing, MapError> {
        self.thread.join().expect("the reader does not panic")
    }
}

struct Drain {
    rings: Vec<RingBuf<MapData>>,
    counters: Arc<Counters>,
    sender: mpsc::Sender<Vec<Event>>,
    reorder: Reorder,
    decoding: Decoding,
}

impl Drain {
    fn run(&mut self, stop: &AtomicBool) -> Result<Closing, MapError> {
        let mut drains = 0;
        loop {
            let last = stop.load(Ordering::Acquire);
            let drained = self.drain();
            drains += 1;
            let ends = last && drained.emptied;
            let until_ns = if ends { u64::MAX } else { drained.taken_ns.saturating_sub(WINDOW_NS) };
            self.reorder.release_until(until_ns, |record| self.decoding.take(record));
            if ends || drains % DRAINS_PER_LOSS == 0 {
                self.decoding.report_losses(&self.counters)?;
            }
            if drains % DRAINS_PER_LOSS == 0 && !self.decoding.filter.is_all() {
                self.decoding.processes.forget();
            }
            let now_ns = clock::boot_ns();
            if ends || now_ns >= self.decoding.nodes_read_ns + NODES_NS {
                self.decoding.read_nodes(now_ns);
            }
            self.decoding.read_inbox();
            let out = self.decoding.take_out(until_ns);
            if !out.is_empty() && self.sender.blocking_send(out).is_err() {
                // The consumer is gone.
                break;
            }
            if ends {
                break;
            }
            if drained.emptied {
                thread::sleep(PERIOD);
            }
        }
        let account = self.decoding.account.close(&self.counters.read()?);
        let lost_mappings = self.decoding.stacks.as_mut().map_or(0, Stacks::lost_mappings);
        let rejected_perf_maps = self.decoding.stacks.as_ref().map(Stacks::rejected_perf_maps).unwrap_or_default();
        let naming_ns = self.decoding.stacks.as_ref().map_or(0, Stacks::cpu_ns);
        let (late, cpu_ns) = (self.reorder.late(), clock::thread_cpu_ns() + naming_ns);
        let processes = self.decoding.details.as_ref().map(DetailsReader::all).unwrap_or_default();
        Ok(Closing { account, late, lost_mappings, processes, rejected_perf_maps, cpu_ns })
    }

    /// Takes all records of every ring, up to the limit for each.
    fn drain(&mut self) -> Drained {
        let mut drained = Drained { taken_ns: clock::boot_ns(), emptied: true };
        for ring in &mut self.rings {
            let (mut taken, mut newest_ns) = (0, 0);
            while let Some(record) = ring.next() {
                newest_ns = record.first_chunk::<8>().map_or(newest_ns, |ts| newest_ns.max(u64::from_ne_bytes(*ts)));
                if let Some(details) = &mut self.decoding.details {
                    details.see(&record);
                }
                if let Some(stacks) = &mut self.decoding.stacks {
                    stacks.see(&record);
                }
                self.reorder.push(&record);
                taken += 1;
                if taken == SHARE {
                    // Records still in this ring were reserved after those taken.
                    drained = Drained { taken_ns: drained.taken_ns.min(newest_ns), emptied: false };
                    break;
                }
            }
        }
        if let Some(stacks) = &mut self.decoding.stacks {
            stacks.drain();
        }
        drained
    }
}

/// Progress of a drain.
struct Drained {
    /// All records reserved before this time were taken.
    taken_ns: u64,
    /// Every ring was empty.
    emptied: bool,
}

/// Decodes records in order of time.
struct Decoding {
    names: Names,
    /// The programs evaluated a part of the filter; here it is evaluated completely.
    filter: Filter,
    /// Whether a program sees folio migrations. Without it, batches do not know which of their pages migrated.
    sees_moves: bool,
    processes: Processes,
    /// Set if they are to be recorded.
    details: Option<DetailsReader>,
    /// Set if stacks were requested.
    stacks: Option<Stacks>,
    account: Account,
    nodes: NodeWatch,
    nodes_read_ns: u64,
    /// Events of other threads.
    inbox: std::sync::mpsc::Receiver<Vec<Event>>,
    /// Losses, nodes and those of other threads, not sorted yet.
    unsorted: Vec<Event>,
    out: Vec<Event>,
}

impl Decoding {
    fn take(&mut self, record: &[u8]) {
        match decode(record, &self.names) {
            Ok(mut event) => {
                if let Body::Batch(batch) = &mut event.body
                    && !self.sees_moves
                {
                    batch.unmoved = None;
                }
                event.process_start_ns = self.processes.started_ns(event.pid);
                if let Owner::Other(owner) = &mut event.owner {
                    // The same as in its own events, also if that is of a lower resolution than the record's.
                    let start_ns = self.processes.started_ns(owner.process.pid);
                    owner.process.start_ns = start_ns.or(owner.process.start_ns);
                }
                self.processes.learn(record);
                let probe = probe_of(record);
                if !self.filter.wants(&event) {
                    self.account.filtered(probe);
                    return;
                }
                if let Some(stacks) = &mut self.stacks {
                    (event.kernel_stack, event.user_stack) = stacks.of_record(record);
                }
                if let Some(details) = &mut self.details {
                    details.take(event.process());
                    if let Owner::Other(owner) = &event.owner {
                        details.take(owner.process);
                    }
                }
                self.account.decoded(probe);
                self.out.push(event);
            }
            Err(error) => {
                log::debug!("ignored a record: {error}");
                self.account.undecodable(probe_of(record));
            }
        }
    }

    fn report_losses(&mut self, counters: &Counters) -> Result<(), MapError> {
        self.unsorted.extend(self.account.new_losses(clock::boot_ns(), &counters.read()?));
        Ok(())
    }

    /// No filter excludes nodes: they are of the machine, and not of a task.
    fn read_nodes(&mut self, now_ns: u64) {
        self.nodes_read_ns = now_ns;
        self.unsorted.extend(self.nodes.read(now_ns));
    }

    /// Their processes started when their other events say so: /proc has a resolution of 10 ms.
    fn read_inbox(&mut self) {
        for mut event in self.inbox.try_iter().flatten() {
            let known = self.processes.started_ns(event.pid);
            let is_same = |known: u64| event.process_start_ns.is_some_and(|own| own / TICK_NS == known / TICK_NS);
            event.process_start_ns = known.filter(|known| is_same(*known)).or(event.process_start_ns);
            self.unsorted.push(event);
        }
    }

    /// The events so far, in order, with the losses and nodes read up to `until_ns`.
    fn take_out(&mut self, until_ns: u64) -> Vec<Event> {
        // The next batch has about the same size, so its capacity is reserved at once.
        let next = Vec::with_capacity(self.out.len());
        let mut out = std::mem::replace(&mut self.out, next);
        if self.unsorted.iter().any(|event| event.ts_ns <= until_ns) {
            out.extend(self.unsorted.extract_if(.., |event| event.ts_ns <= until_ns));
            out.sort_by_key(|event| event.ts_ns);
        }
        out
    }
}
