//! What ends a recording: the recorded command's end, or a signal.

use std::process::ExitStatus;

use anyhow::{Context, Result};
use migtrace::workload::Workload;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
};

/// Waits for it.
pub(crate) struct Stop {
    command: Option<JoinHandle<std::io::Result<ExitStatus>>>,
    command_pid: Option<u32>,
    signals: [Signal; 3],
}

impl Stop {
    pub(crate) fn new(workload: Option<Workload>) -> Result<Self> {
        let listen = |kind| signal(kind).context("listening for signals");
        let command_pid = workload.as_ref().map(|workload| workload.pid);
        Ok(Self {
            command: workload.map(|workload| tokio::task::spawn_blocking(move || workload.wait())),
            command_pid,
            signals: [
                listen(SignalKind::interrupt())?,
                listen(SignalKind::terminate())?,
                listen(SignalKind::hangup())?,
            ],
        })
    }

    /// Waits for the first of them. A signal ends the command too.
    pub(crate) async fn wait(&mut self) -> Result<Option<ExitStatus>> {
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
        if let Some(pid) = self.command_pid {
            // SAFETY: a signal to a child that has not been waited for, so the number is still its own.
            unsafe { libc::kill(pid as i32, libc::SIGTERM) };
        }
        self.exit_on_next_signal();
        self.command_ended().await
    }

    /// The command's status once it has ended; `None` where there is none.
    pub(crate) async fn command_ended(&mut self) -> Result<Option<ExitStatus>> {
        match self.command.take() {
            Some(command) => Ok(Some(command.await.context("waiting for its end")??)),
            None => Ok(None),
        }
    }

    /// From now on a signal ends the program at once; the segments written so far stay.
    fn exit_on_next_signal(&self) {
        for kind in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            // SAFETY: sets the default action, which has no preconditions.
            unsafe { libc::signal(kind, libc::SIG_DFL) };
        }
    }
}
