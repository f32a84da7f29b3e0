//! `record --census`: a thread that reads where the pages of the traced processes are. What it finds goes to the thread that
//! reads the rings, which puts it in order.

use std::{
    io,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use migtrace::{
    event::Event,
    live::{privilege, traced_command::TracedCommand},
    map::{ReadError, Reader, census},
    units,
};
use tokio::sync::mpsc;

/// Whether and when the places of pages are recorded.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub(crate) struct CensusArgs {
    /// Record on which node every page of each traced process is, when the recording begins and when it ends; for a command,
    /// after its exec and before its exit. `migtrace map FILE` shows it, and `migtrace summary` compares it with the
    /// migrations, faults and changes of place between
    #[arg(long)]
    census: bool,
    /// The same, and again after each TIME, such as 10s
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
    inbox: Sender<Vec<Event>>,
}

/// Processes to read; `None`: all but this one.
type Request = Option<Vec<u32>>;

impl Censuses {
    /// Starts the thread, if a census is wanted.
    pub(crate) fn start(args: CensusArgs, inbox: Sender<Vec<Event>>) -> Result<Option<Self>> {
        if !args.is_wanted() {
            return Ok(None);
        }
        let ((requests, received), (ready, done)) = (channel(), mpsc::unbounded_channel());
        let run = {
            let inbox = inbox.clone();
            move || read_all(&received, &inbox, &ready)
        };
        thread::Builder::new().name("migtrace-census".to_owned()).spawn(run).context("starting a thread")?;
        let mut censuses = Self { requests, done, open: 0, next: None, every: args.census_every, inbox };
        censuses.plan_next();
        Ok(Some(censuses))
    }

    fn plan_next(&mut self) {
        self.next = self.every.and_then(|every| Instant::now().checked_add(every));
    }

    /// Reads these processes; `None`: all.
    pub(crate) fn take(&mut self, pids: Request) {
        // The thread ends only after this value.
        self.open += usize::from(self.requests.send(pids).is_ok());
    }

    /// Reads the command each time it has been executed, and before it exits. It has not been executed yet.
    pub(crate) fn follow(&self, pid: u32) -> Result<()> {
        let (is_followed, followed) = channel();
        let inbox = self.inbox.clone();
        let run = move || {
            let command = privilege::measuring(|| TracedCommand::follow(pid));
            let _ = is_followed.send(());
            if let Err(error) = command.and_then(|command| read_at_stops(&command, &inbox)) {
                log::warn!("no census of the command after its exec and before its exit: tracing it: {error}");
            }
        };
        thread::Builder::new().name("migtrace-command".to_owned()).spawn(run).context("starting a thread")?;
        // A failure is reported there.
        let _ = followed.recv();
        Ok(())
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
    for pids in requests {
        pids.unwrap_or_else(all_processes).into_iter().for_each(|pid| read_into(inbox, pid));
        let _ = ready.send(());
    }
}

fn read_at_stops(command: &TracedCommand, inbox: &Sender<Vec<Event>>) -> io::Result<()> {
    while command.next_stop()?.is_some() {
        read_into(inbox, command.pid);
        command.resume()?;
    }
    Ok(())
}

fn read_into(inbox: &Sender<Vec<Event>>, pid: u32) {
    match read(pid) {
        // If nothing receives it, the recording has ended.
        Ok(events) => drop(inbox.send(events)),
        Err(ReadError::NoProcess(_) | ReadError::Zombie(_) | ReadError::NoMemory(_) | ReadError::Gone(_)) => {}
        Err(error) => log::warn!("no census of process {pid}: {error}"),
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
