//! The thread that drains the ring: by a timer, never woken by a record.

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

use super::{
    clock,
    decode::{decode, probe_of},
    loss::Account,
    reorder::Reorder,
};
use crate::{
    event::Event,
    probe::{load::Counters, names::Names},
    trace::meta::ProbeAccount,
};

/// How often the ring is drained. At a million records a second, 5 ms fill about half a MiB of it.
const PERIOD: Duration = Duration::from_millis(5);
/// Drains between two looks at the counters of loss: about a second.
const DRAINS_PER_LOSS: u32 = 200;
/// Batches that may wait for the consumer. When they are full the reader waits, the ring fills, and the programs count
/// what they refuse: one place of loss, and it is exact.
const QUEUE: usize = 64;
/// Events per batch at most, so that the consumer begins while a full ring is still being drained.
const BATCH: usize = 1 << 14;

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
}

impl Reader {
    /// Starts to read.
    ///
    /// # Errors
    /// Where no thread can be had.
    pub fn start(ring: RingBuf<MapData>, counters: Counters, names: Names) -> std::io::Result<Self> {
        let (sender, events) = mpsc::channel(QUEUE);
        let stop = Arc::new(AtomicBool::new(false));
        let mut drain =
            Drain { ring, counters, names, sender, account: Account::default(), reorder: Reorder::default() };
        let stopping = Arc::clone(&stop);
        let thread = thread::Builder::new().name("migtrace-ring".to_owned()).spawn(move || drain.run(&stopping))?;
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
    ring: RingBuf<MapData>,
    counters: Counters,
    names: Names,
    sender: mpsc::Sender<Vec<Event>>,
    account: Account,
    reorder: Reorder,
}

impl Drain {
    fn run(&mut self, stop: &AtomicBool) -> Result<Closing, MapError> {
        let mut drains = 0;
        loop {
            let last = stop.load(Ordering::Acquire);
            let mut out = Vec::new();
            let empty_ns = self.drain(&mut out);
            drains += 1;
            if last || drains % DRAINS_PER_LOSS == 0 {
                self.tell_losses()?;
            }
            if last {
                self.reorder.finish(&mut out);
            } else {
                self.reorder.release(empty_ns, &mut out);
            }
            if !out.is_empty() && self.sender.blocking_send(out).is_err() {
                // The consumer gave up: nobody is left to read for.
                break;
            }
            if last {
                break;
            }
            thread::sleep(PERIOD);
        }
        Ok(Closing { account: self.account.close(&self.counters.read()?), late: self.reorder.late() })
    }

    /// Empties the ring; returns when it was found empty, or when a batch is full, with the time before that look.
    fn drain(&mut self, out: &mut Vec<Event>) -> u64 {
        loop {
            let (mut taken, mut newest_ns) = (0, 0);
            let before_ns = clock::boot_ns();
            while let Some(record) = self.ring.next() {
                match decode(&record, &self.names) {
                    Ok(event) => {
                        self.account.decoded(probe_of(&record).unwrap_or("unknown"));
                        newest_ns = newest_ns.max(event.ts_ns);
                        self.reorder.push(event);
                    }
                    Err(error) => {
                        log::debug!("a record was left out: {error}");
                        self.account.undecodable(probe_of(&record).unwrap_or("unknown"));
                    }
                }
                taken += 1;
                if taken == BATCH {
                    break;
                }
            }
            if taken < BATCH {
                return before_ns;
            }
            // What is still in the ring was reserved after all that was taken from it.
            self.reorder.release(newest_ns, out);
            if !out.is_empty() {
                // A failure shows at the next send.
                let _ = self.sender.blocking_send(std::mem::take(out));
            }
        }
    }

    fn tell_losses(&mut self) -> Result<(), MapError> {
        let counters = self.counters.read()?;
        for loss in self.account.new_losses(clock::boot_ns(), &counters) {
            self.reorder.push(loss);
        }
        Ok(())
    }
}
