//! The thread that drains the rings: by a timer, never woken by a record.

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
        process_start::Processes,
        symbols::stacks::{self, Stacks},
    },
};
use crate::{
    decode::names::Names,
    event::{Body, Event},
    filter::Filter,
    live::{counters::Counters, privilege},
    recording::{Account, ProbeAccount},
};

/// How often the rings are drained. At a million records a second on one CPU, 5 ms fill about half a MiB of its ring.
const PERIOD: Duration = Duration::from_millis(5);
/// Drains between two looks at the counters of loss: about a second.
const DRAINS_PER_LOSS: u32 = 200;
/// Batches that may wait for the consumer. When they are full the reader waits, the rings fill, and the programs count
/// what they refuse: one place of loss, and it is exact.
const QUEUE: usize = 64;
/// Records taken from one ring in one go at most, so that the others are not forgotten and the consumer begins while full
/// rings are still being drained.
const SHARE: usize = 1 << 14;

/// Name of the thread, as the kernel keeps it.
pub const THREAD_NAME: &str = "migtrace-ring";

/// A reader at work.
pub struct Reader {
    /// Events in order of time, in batches; ends after [`Reader::stop`] and the last event.
    pub events: mpsc::Receiver<Vec<Event>>,
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<Result<Closing, MapError>>,
}

/// What is known when all is read.
#[derive(Debug)]
pub struct Closing {
    /// The account by probe.
    pub account: Vec<ProbeAccount>,
    /// Events that came out after a later one.
    pub late: u64,
    /// Changes of what programs map that were not read in time: where they were, functions may have no names.
    pub lost_mappings: u64,
    /// CPU time of the reader's thread, ns.
    pub cpu_ns: u64,
}

impl Reader {
    /// Starts to read.
    ///
    /// # Errors
    /// Where no thread can be had.
    pub fn start(
        rings: Vec<RingBuf<MapData>>,
        stacks: Option<stacks::Sources>,
        counters: Arc<Counters>,
        names: Names,
        processes: Processes,
        filter: Filter,
        sees_moves: bool,
    ) -> std::io::Result<Self> {
        let (sender, events) = mpsc::channel(QUEUE);
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let (ready, started) = std::sync::mpsc::channel();
        let run = move || {
            privilege::keep(if stacks.is_some() { privilege::NAMING } else { privilege::READING });
            let decoding = Decoding {
                names,
                filter,
                sees_moves,
                processes,
                stacks: stacks.map(Stacks::new),
                account: Account::default(),
                losses: Vec::new(),
                out: Vec::new(),
            };
            // The receiver is gone if the start failed.
            let _ = ready.send(());
            Drain { rings, counters, sender, reorder: Reorder::default(), decoding }.run(&stopping)
        };
        let thread = thread::Builder::new().name(THREAD_NAME.to_owned()).spawn(run)?;
        // The workload can exit immediately, so the reader must be running first.
        let _ = started.recv();
        Ok(Self { events, stop, thread })
    }

    /// Asks for the last drain. The programs must be detached, or what they commit after it is lost unread.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Waits for the end; call it when `events` has ended.
    ///
    /// # Errors
    /// Where the counters could not be read.
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
                self.decoding.tell_losses(&self.counters)?;
            }
            if drains % DRAINS_PER_LOSS == 0 && !self.decoding.filter.is_all() {
                self.decoding.processes.forget();
            }
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
        Ok(Closing { account, late: self.reorder.late(), lost_mappings, cpu_ns: clock::thread_cpu_ns() })
    }

    /// Takes from every ring what is in it, or its share.
    fn drain(&mut self) -> Drained {
        let mut drained = Drained { taken_ns: clock::boot_ns(), emptied: true };
        for ring in &mut self.rings {
            let (mut taken, mut newest_ns) = (0, 0);
            while let Some(record) = ring.next() {
                newest_ns = record.first_chunk::<8>().map_or(newest_ns, |ts| newest_ns.max(u64::from_ne_bytes(*ts)));
                if let Some(stacks) = &mut self.decoding.stacks {
                    stacks.see(&record);
                }
                self.reorder.push(&record);
                taken += 1;
                if taken == SHARE {
                    // What is still in this ring was reserved after all that was taken from it.
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

/// How far a drain got.
struct Drained {
    /// All records that were reserved before are in.
    taken_ns: u64,
    /// Every ring was seen empty.
    emptied: bool,
}

/// Makes events of records that leave in order.
struct Decoding {
    names: Names,
    /// The programs decided what of it they can; here it is asked whole.
    filter: Filter,
    /// Whether a program sees folios move: without, batches do not know which of their pages did.
    sees_moves: bool,
    processes: Processes,
    /// Where stacks were asked for.
    stacks: Option<Stacks>,
    account: Account,
    /// Not put in order yet.
    losses: Vec<Event>,
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
                self.processes.learn(record);
                let probe = probe_of(record);
                if !self.filter.wants(&event) {
                    self.account.filtered(probe);
                    return;
                }
                if let Some(stacks) = &mut self.stacks {
                    (event.kernel_stack, event.user_stack) = stacks.of_record(record);
                }
                self.account.decoded(probe);
                self.out.push(event);
            }
            Err(error) => {
                log::debug!("a record was left out: {error}");
                self.account.undecodable(probe_of(record));
            }
        }
    }

    fn tell_losses(&mut self, counters: &Counters) -> Result<(), MapError> {
        self.losses.extend(self.account.new_losses(clock::boot_ns(), &counters.read()?));
        Ok(())
    }

    /// The events so far, in order, with the losses reported up to `until_ns`.
    fn take_out(&mut self, until_ns: u64) -> Vec<Event> {
        // The next ones will be about as many: growing to that would copy them all.
        let next = Vec::with_capacity(self.out.len());
        let mut out = std::mem::replace(&mut self.out, next);
        if self.losses.iter().any(|loss| loss.ts_ns <= until_ns) {
            out.extend(self.losses.extract_if(.., |loss| loss.ts_ns <= until_ns));
            out.sort_by_key(|event| event.ts_ns);
        }
        out
    }
}
