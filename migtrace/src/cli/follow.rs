//! The running kernel's events into a log, until a signal comes.

use std::{io::Write, time::Duration};

use anyhow::{Context, Result};
use migtrace::{
    clock,
    filter::kernel::KernelScope,
    live::{
        host::{requirements, stranded_pages::LeftBehind, vmstat},
        privilege,
        session::{Live, Scope, SourceError},
    },
    log::{Options, live::Follower},
    recording::{Meta, coverage},
};
use tokio::time::interval;

use super::{filter::FilterArgs, stop::Stop};

/// How often what is complete is written.
const TICK: Duration = Duration::from_millis(250);

pub(super) fn run(filter: &FilterArgs, options: Options, verbose: bool, out: &mut dyn Write) -> Result<()> {
    requirements::check().map_err(SourceError::from)?;
    filter.check_pids()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(follow(filter, options, verbose, out))
}

async fn follow(args: &FilterArgs, options: Options, verbose: bool, out: &mut dyn Write) -> Result<()> {
    let filter = args.but_scope();
    let scope = Scope {
        processes: (!args.pid.is_empty()).then(|| args.pid.clone()),
        ring_bytes: None,
        stacks: false,
        aggregate: None,
        diagnostics: verbose,
        // What an event means follows from what its task did around it.
        filter: filter.of_tasks(),
        kernel: KernelScope { cgroups: args.root_cgroups()?, uid: None, sample: None },
    };
    // From here on a signal ends the log, and no longer the program.
    let mut stop = Stop::listen()?;
    let before = vmstat::read().context("reading /proc/vmstat")?;
    let (mut live, mut meta) = Live::start(&scope)?;
    privilege::keep(privilege::READING);
    let processes = args.pid.iter().map(|pid| format!("process {pid} with the children that it has from now on"));
    let only: Vec<String> = processes.chain(args.scope_text(&scope.filter)).collect();
    meta.filter = (!only.is_empty()).then(|| only.join(", "));
    let mut log = Log {
        follower: Follower::new(meta.clone(), Options { filter, ..options }),
        left_behind: LeftBehind::default(),
    };
    log.follower.begin(out)?;
    out.flush()?;
    let mut tick = interval(TICK);
    loop {
        tokio::select! {
            batch = live.next() => match batch {
                Some(batch) => log.take(batch),
                None => break,
            },
            stopped = stop.wait() => {
                stopped?;
                break;
            }
            _ = tick.tick() => {
                live.tick();
                log.follower.write(clock::boot_ns(), out)?;
                out.flush()?;
            }
        }
    }
    log.end(live, meta, &before, out).await
}

struct Log {
    follower: Follower,
    left_behind: LeftBehind,
}

impl Log {
    fn take(&mut self, batch: Vec<migtrace::event::Event>) {
        for mut event in batch {
            self.left_behind.fill(&mut event);
            self.follower.take(event);
        }
    }

    async fn end(mut self, live: Live, mut meta: Meta, before: &vmstat::Counters, out: &mut dyn Write) -> Result<()> {
        meta.vmstat_delta = vmstat::delta(before, &vmstat::read().context("reading /proc/vmstat")?);
        meta.end_ns = Some(clock::boot_ns());
        let mut stopped = live.stop();
        while let Some(batch) = stopped.next().await {
            self.take(batch);
        }
        let closing = stopped.close()?;
        if closing.silenced {
            coverage::mark_interrupted(&mut meta.probes);
        }
        meta.account = closing.account;
        Ok(self.follower.finish(meta, out)?)
    }
}
