//! Ends a recording: when the traced command exits, on a signal, or after a time.

use std::{
    fs::File,
    os::unix::process::ExitStatusExt,
    process::ExitStatus,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use migtrace::live::workload::{NotStarted, Workload, shell_status};
use procfs::process::Process;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
    time::sleep_until,
};

/// When a recording ends by itself.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub(crate) struct EndArgs {
    /// End after this time, such as 10s or 2m, counted from when the probes are attached
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
}

impl EndArgs {
    pub(crate) fn is_given(self) -> bool {
        self.duration.is_some()
    }

    /// When a recording that begins now ends.
    pub(crate) fn deadline(self) -> Option<Instant> {
        Instant::now().checked_add(self.duration?)
    }
}

/// Waits for the end of a recording.
pub(crate) struct Stop {
    command: Option<JoinHandle<Result<ExitStatus, NotStarted>>>,
    command_pid: Option<u32>,
    /// A signal came and was forwarded to the command.
    signalled: bool,
    signals: [Signal; 2],
    hangup: Hangup,
    deadline: Option<Instant>,
    /// The time is over, and the command was ended for that.
    expired: bool,
}

/// What SIGHUP does.
enum Hangup {
    /// Ends the recording: its terminal was closed.
    Ends(Signal),
    /// Nothing. A service has no terminal, and nothing to read again; administrators send SIGHUP after changing a file.
    Reloads(Signal),
    /// Nothing: the process was started to ignore it, as by nohup(1).
    Ignored,
}

impl Hangup {
    fn listen(is_service: bool) -> Result<Self> {
        let ignored = Process::myself().and_then(|process| process.status()).map_or(0, |status| status.sigign);
        if ignored & (1 << (libc::SIGHUP - 1)) != 0 {
            return Ok(Self::Ignored);
        }
        let hangup = signal(SignalKind::hangup()).context("listening for signals")?;
        let has_terminal = File::open("/dev/tty").is_ok();
        Ok(if is_service && !has_terminal { Self::Reloads(hangup) } else { Self::Ends(hangup) })
    }

    /// Waits until it ends the recording.
    async fn ends(&mut self) {
        match self {
            Self::Ends(hangup) => drop(hangup.recv().await),
            Self::Reloads(hangup) => {
                while hangup.recv().await.is_some() {
                    log::debug!("SIGHUP: nothing to do, files are read for each connection");
                }
            }
            Self::Ignored => std::future::pending().await,
        }
    }
}

impl Stop {
    /// Starts to catch signals, which end the recording in good order from now on. Call it before the recording is announced.
    pub(crate) fn listen() -> Result<Self> {
        Self::with(Hangup::listen(false)?)
    }

    /// The same for a service, which SIGHUP does not end unless it runs in a terminal.
    pub(crate) fn listen_as_service() -> Result<Self> {
        Self::with(Hangup::listen(true)?)
    }

    fn with(hangup: Hangup) -> Result<Self> {
        let listen = |kind| signal(kind).context("listening for signals");
        Ok(Self {
            command: None,
            command_pid: None,
            signalled: false,
            signals: [listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?],
            hangup,
            deadline: None,
            expired: false,
        })
    }

    /// Ends the recording when this command exits.
    pub(crate) fn follow(&mut self, workload: Workload) {
        self.command_pid = Some(workload.pid);
        self.command = Some(tokio::task::spawn_blocking(move || workload.wait()));
    }

    /// Ends the recording at this time.
    pub(crate) fn at(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    /// The exit status that a command's status means for this program: 0 if the command ended only because its time was
    /// over.
    pub(crate) fn exit_status(&self, status: ExitStatus) -> i32 {
        if self.expired && status.signal() == Some(libc::SIGTERM) { 0 } else { shell_status(status) }
    }

    /// Waits for the first of them. A signal or the end of the time ends the command too. Can be cancelled and called again, as a loop does that
    /// waits for several things at once.
    pub(crate) async fn wait(&mut self) -> Result<Option<ExitStatus>> {
        if !self.signalled {
            let [interrupt, terminate] = &mut self.signals;
            let deadline = self.deadline;
            let over = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline.into()).await,
                    None => std::future::pending().await,
                }
            };
            let command = async {
                match &mut self.command {
                    Some(command) => command.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                status = command => {
                    self.command = None;
                    return Ok(Some(status.context("waiting for its end")??));
                }
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                () = self.hangup.ends() => {}
                () = over => self.expired = true,
            }
            self.signalled = true;
            if let Some(pid) = self.command_pid {
                // SAFETY: a signal to a child that has not been waited for, so the number is still its own.
                unsafe { libc::kill(pid as i32, libc::SIGTERM) };
            }
            self.exit_on_next_signal();
        }
        self.command_ended().await
    }

    /// The command's status once it has ended; `None` where there is none. Can be cancelled and called again.
    pub(crate) async fn command_ended(&mut self) -> Result<Option<ExitStatus>> {
        let Some(command) = &mut self.command else { return Ok(None) };
        let status = command.await;
        self.command = None;
        Ok(Some(status.context("waiting for its end")??))
    }

    /// From now on a signal ends the program at once; the segments written so far stay.
    fn exit_on_next_signal(&self) {
        let hangup = matches!(self.hangup, Hangup::Ends(_)).then_some(libc::SIGHUP);
        for kind in [libc::SIGINT, libc::SIGTERM].into_iter().chain(hangup) {
            // SAFETY: sets the default action, which has no preconditions.
            unsafe { libc::signal(kind, libc::SIG_DFL) };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_wait_that_was_cancelled_does_not_lose_the_command() {
        let argv = ["sh", "-c", "sleep 0.2; exit 3"].map(str::to_owned);
        let mut workload = Workload::hold(&argv, None).expect("a process");
        workload.go().expect("still there");
        let mut stop = Stop::listen().expect("signals");
        stop.follow(workload);
        stop.signalled = true;
        for _ in 0..3 {
            assert!(tokio::time::timeout(Duration::from_millis(10), stop.wait()).await.is_err(), "it still sleeps");
        }
        let status = stop.wait().await.expect("it could be executed").expect("there is a command");
        assert_eq!(status.code(), Some(3));
    }
}
