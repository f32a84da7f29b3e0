//! `record --census`: a thread that reads where the pages of the traced processes are. What it finds goes to the thread that
//! reads the rings, which puts it in order.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use migtrace::{
    event::Event,
    live::privilege,
    map::{ReadError, Reader, census},
    units,
};
use procfs::process::{Process, StatFlags};
use tokio::sync::mpsc;

/// How long to wait until the command has been executed.
const EXEC_TIME: Duration = Duration::from_secs(1);
/// From the moment in which the command has an address space of its own, until its exec has ended.
const LOADING_TIME: Duration = Duration::from_millis(10);

/// Whether and when the places of pages are recorded.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub(crate) struct CensusArgs {
    /// Record on which node every page of each traced process is, when the recording begins and when it ends. `migtrace map
    /// FILE` shows it, and `migtrace summary` compares it with the migrations, faults and changes of place between
    #[arg(long)]
    census: bool,
    /// The same, and again after each TIME, such as 10s: without it, a command that has exited has no census of its end
    #[arg(long, value_name = "TIME", value_parser = units::seconds)]
    census_every: Option<Duration>,
}

impl CensusArgs {
    pub(crate) const fn is_wanted(&self) -> bool {
        self.census || self.census_every.is_some()
    }
}

/// The censuses of a recording.
pub(crate) struct Censuses {
    requests: Sender<Request>,
    done: mpsc::UnboundedReceiver<()>,
    /// Requests that are not done.
    open: usize,
    next: Option<Instant>,
    every: Option<Duration>,
}

/// Processes to read; `None`: all but this one.
struct Request {
    pids: Option<Vec<u32>>,
    /// Whether they are to be executed first.
    after_exec: bool,
}

impl Censuses {
    /// Starts the thread, if a census is wanted.
    pub(crate) fn start(args: CensusArgs, inbox: Sender<Vec<Event>>) -> Result<Option<Self>> {
        if !args.is_wanted() {
            return Ok(None);
        }
        let ((requests, received), (ready, done)) = (channel(), mpsc::unbounded_channel());
        let run = move || read_all(&received, &inbox, &ready);
        thread::Builder::new().name("migtrace-census".to_owned()).spawn(run).context("starting a thread")?;
        let mut censuses = Self { requests, done, open: 0, next: None, every: args.census_every };
        censuses.plan_next();
        Ok(Some(censuses))
    }

    fn plan_next(&mut self) {
        self.next = self.every.and_then(|every| Instant::now().checked_add(every));
    }

    /// Reads these processes; `None`: all.
    pub(crate) fn take(&mut self, pids: Option<Vec<u32>>) {
        self.request(Request { pids, after_exec: false });
    }

    /// Reads the command, once it has been executed.
    pub(crate) fn take_after_exec(&mut self, pid: u32) {
        self.request(Request { pids: Some(vec![pid]), after_exec: true });
    }

    fn request(&mut self, request: Request) {
        // The thread ends only after this value.
        self.open += usize::from(self.requests.send(request).is_ok());
    }

    /// Whether the next census of --census-every is due. One that takes longer than that is not begun again meanwhile.
    pub(crate) fn is_due(&mut self) -> bool {
        while self.done.try_recv().is_ok() {
            self.open -= 1;
        }
        let due = self.open == 0 && self.next.is_some_and(|next| Instant::now() >= next);
        if due {
            self.plan_next();
        }
        due
    }

    /// Waits until all censuses are read. Can be cancelled and called again.
    pub(crate) async fn done(&mut self) {
        while self.open > 0 && self.done.recv().await.is_some() {
            self.open -= 1;
        }
    }
}

fn read_all(requests: &Receiver<Request>, inbox: &Sender<Vec<Event>>, ready: &mpsc::UnboundedSender<()>) {
    for Request { pids, after_exec } in requests {
        let pids = pids.unwrap_or_else(all_processes);
        if after_exec {
            pids.iter().for_each(|pid| wait_for_exec(*pid));
        }
        for pid in pids {
            match read(pid) {
                // If nothing receives it, the recording has ended.
                Ok(events) => drop(inbox.send(events)),
                Err(ReadError::NoProcess(_) | ReadError::Zombie(_) | ReadError::NoMemory(_) | ReadError::Gone(_)) => {}
                Err(error) => log::warn!("no census of process {pid}: {error}"),
            }
        }
        let _ = ready.send(());
    }
}

/// The kernel shows frames to a file that was opened with SYS_ADMIN.
fn read(pid: u32) -> Result<Vec<Event>, ReadError> {
    let reader = privilege::measuring(|| Reader::open(pid))?;
    Ok(census::events(&reader.read(true, &mut |_, _| {})?))
}

fn all_processes() -> Vec<u32> {
    let processes = procfs::process::all_processes().into_iter().flatten().flatten();
    processes.filter_map(|process| u32::try_from(process.pid).ok()).filter(|pid| *pid != std::process::id()).collect()
}

/// Until then, it has a copy of this process's memory.
fn wait_for_exec(pid: u32) {
    let waits = |pid: u32| {
        let stat = i32::try_from(pid).ok().and_then(|pid| Process::new(pid).ok()?.stat().ok());
        stat.is_some_and(|stat| stat.flags & StatFlags::PF_FORKNOEXEC.bits() != 0)
    };
    let began = Instant::now();
    while waits(pid) && began.elapsed() < EXEC_TIME {
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(LOADING_TIME);
}
