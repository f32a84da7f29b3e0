//! A recording of `migtrace record` under way: events into the trace, until its command or a signal ends it.

use std::{
    process::{ExitCode, ExitStatus},
    time::Duration,
};

use anyhow::{Context, Result};
use migtrace::{
    clock,
    event::Event,
    live::{host::topology::topology, session::Session, workload::shell_status},
    recording::{Meta, Why},
    trace::Output,
};
use tokio::{signal::unix::Signal, time::interval};

use super::{
    census::Censuses,
    dump_server::{self, DumpServer},
    follow,
    output::Trigger,
    progress::Progress,
    record_messages,
    stop::Stop,
    streams::say,
};

/// A recording under way.
pub(super) struct Recording {
    pub(super) output: Output,
    /// The signal that requests a flight recording to be written.
    pub(super) dump: Signal,
    pub(super) is_flight: bool,
    /// Clients that request it over HTTP.
    pub(super) clients: DumpServer,
    pub(super) trigger: Option<Trigger>,
    /// The processes that --pid lists.
    pub(super) pids: Vec<u32>,
    pub(super) progress: Progress,
    /// CPU time that this thread spent filling rows. Another thread encodes them.
    pub(super) filling_cpu_ns: u64,
    pub(super) censuses: Option<Censuses>,
    pub(super) quiet: bool,
}

impl Recording {
    /// Records until the command ends or a signal comes; returns the finished metadata. The inner result is the command's: if
    /// it could not be executed, the recording is still closed as any other.
    pub(super) async fn run(
        &mut self,
        mut session: Session,
        stop: &mut Stop,
    ) -> Result<(Meta, Result<Option<ExitStatus>>)> {
        let mut tick = interval(Duration::from_millis(250));
        let mut second = interval(Duration::from_secs(1));
        let status = loop {
            tokio::select! {
                events = session.next() => match events {
                    Some(events) => self.write(events)?,
                    None => break stop.command_ended().await,
                },
                status = stop.wait() => break status,
                _ = self.dump.recv() => {
                    self.output.set_processes(session.processes()).with_context(|| self.while_writing())?;
                    self.write_held()?;
                }
                client = self.clients.next() => {
                    self.output.set_processes(session.processes()).with_context(|| self.while_writing())?;
                    dump_server::answer(client, &mut self.output, clock::boot_ns())
                        .with_context(|| self.while_writing())?;
                }
                _ = second.tick() => self.output.add_topology(&topology()).with_context(|| self.while_writing())?,
                _ = tick.tick() => {
                    session.tick();
                    if let Some(censuses) = &mut self.censuses
                        && censuses.is_due()
                    {
                        censuses.take(session.traced_processes());
                    }
                    self.output.tick(|| session.processes()).with_context(|| self.while_writing())?;
                    self.progress.show(self.output.bytes());
                    if !self.pids.is_empty() && session.processes_have_exited() {
                        self.progress.clear();
                        if !self.quiet {
                            say!("{}", follow::have_exited(&self.pids));
                        }
                        break Ok(None);
                    }
                }
            }
        };
        self.last_census(&mut session).await?;
        let interrupted = session.interrupted();
        let mut meta = session.stop(|events| self.write(events)).await?;
        if meta.late_events > 0 {
            log::warn!("{} events are out of order in the trace", meta.late_events);
        }
        if interrupted {
            log::warn!("{}", Why::Interrupted);
        }
        let writer_cpu_ns = self.filling_cpu_ns + self.output.cpu_ns().with_context(|| self.while_writing())?;
        meta.own_cost.get_or_insert_default().writer_cpu_ns = Some(writer_cpu_ns);
        Ok((meta, status))
    }

    /// Reads the processes that still run, and takes events meanwhile.
    async fn last_census(&mut self, session: &mut Session) -> Result<()> {
        let Some(mut censuses) = self.censuses.take() else { return Ok(()) };
        censuses.take(session.traced_processes());
        loop {
            tokio::select! {
                () = censuses.done() => return Ok(()),
                events = session.next() => match events {
                    Some(events) => self.write(events)?,
                    None => return Ok(()),
                },
            }
        }
    }

    fn write(&mut self, events: Vec<Event>) -> Result<()> {
        let began_ns = clock::thread_cpu_ns();
        for event in &events {
            self.output.push(event).with_context(|| self.while_writing())?;
            if self.trigger.as_mut().is_some_and(|trigger| trigger.fires(event)) {
                self.write_held()?;
            }
        }
        self.progress.count(&events);
        drop(events);
        self.filling_cpu_ns += clock::thread_cpu_ns() - began_ns;
        Ok(())
    }

    /// Writes the events that a flight recording has in memory.
    fn write_held(&mut self) -> Result<()> {
        if !self.is_flight {
            log::warn!("SIGUSR1 writes the events that --flight keeps; this recording writes all of them to its file");
            return Ok(());
        }
        let path = self.output.dump(clock::boot_ns()).with_context(|| self.while_writing())?;
        self.progress.clear();
        if !self.quiet {
            say!("writing the newest events to {}", path.display());
        }
        Ok(())
    }

    fn while_writing(&self) -> String {
        let path = self.output.current_path().display().to_string();
        format!("writing the trace; what was written is intact: `migtrace recover {path}` makes a trace of it")
    }

    /// Closes the trace, prints the account, and returns the command's exit status as that of this program.
    pub(super) fn finish(
        self,
        stacks: bool,
        meta: &mut Meta,
        status: Result<Option<ExitStatus>>,
        stop: &Stop,
    ) -> Result<ExitCode> {
        meta.command_status = status.as_ref().ok().copied().flatten().map(shell_status);
        let written = self.output.finish(meta).context("closing the trace")?;
        self.progress.clear();
        // If the command could not be executed, print only that.
        if !self.quiet && status.is_ok() {
            record_messages::written(meta, &written);
        }
        record_messages::losses(meta, stacks);
        let code = status?.map_or(0, |status| stop.exit_status(status));
        Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
    }
}
