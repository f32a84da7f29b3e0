//! Ends a recording: when the traced command exits, or on a signal.

use std::process::ExitStatus;

use anyhow::{Context, Result};
use migtrace::live::workload::Workload;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
};

/// Waits for the end of a recording.
pub(crate) struct Stop {
    command: Option<JoinHandle<std::io::Result<ExitStatus>>>,
    command_pid: Option<u32>,
    /// A signal came and was forwarded to the command.
    signalled: bool,
    signals: [Signal; 3],
}

impl Stop {
    /// Starts to catch signals, which end the recording in good order from now on. Call it before the recording is announced.
    pub(crate) fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("listening for signals");
        Ok(Self {
            command: None,
            command_pid: None,
            signalled: false,
            signals: [
                listen(SignalKind::interrupt())?,
                listen(SignalKind::terminate())?,
                listen(SignalKind::hangup())?,
            ],
        })
    }

    /// Ends the recording when this command exits.
    pub(crate) fn follow(&mut self, workload: Workload) {
        self.command_pid = Some(workload.pid);
        self.command = Some(tokio::task::spawn_blocking(move || workload.wait()));
    }

    /// Waits for the first of them. A signal ends the command too. Can be cancelled and called again, as a loop does that
    /// waits for several things at once.
    pub(crate) async fn wait(&mut self) -> Result<Option<ExitStatus>> {
        if !self.signalled {
            let [interrupt, terminate, hangup] = &mut self.signals;
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
                _ = hangup.recv() => {}
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
        for kind in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
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
        let mut workload = Workload::hold(&argv).expect("a process");
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
