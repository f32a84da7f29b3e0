//! The running kernel's events as a log, until a signal.

use std::{io::Write, time::Duration};

use anyhow::{Context, Result};
use migtrace::{
    clock,
    event::Event,
    filter::kernel::KernelScope,
    live::{
        host::requirements,
        privilege,
        scope::Scope,
        session::{Session, SessionError},
    },
    log::{Options, live::Follower},
};
use tokio::time::interval;

use super::{filter::FilterArgs, stop::Stop};

/// How often complete lines are written.
const TICK: Duration = Duration::from_millis(250);

pub(super) fn run(filter: &FilterArgs, options: Options, verbose: bool, out: &mut dyn Write) -> Result<()> {
    requirements::check().map_err(SessionError::from)?;
    filter.check_pids()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(follow(filter, options, verbose, out))
}

fn scope(args: &FilterArgs, verbose: bool) -> Result<Scope> {
    // What an event means follows from what its task did around it.
    let filter = args.but_scope().of_tasks();
    let processes = args.pid.iter().map(|pid| format!("process {pid} with the children that it has from now on"));
    let only: Vec<String> = processes.chain(args.scope_text(&filter)).collect();
    Ok(Scope {
        processes: (!args.pid.is_empty()).then(|| args.pid.clone()),
        diagnostics: verbose,
        kernel: KernelScope { cgroups: args.root_cgroups()?, uid: None, sample: None },
        filter_text: (!only.is_empty()).then(|| only.join(", ")),
        ..Scope::of(filter, privilege::READING)
    })
}

async fn follow(args: &FilterArgs, options: Options, verbose: bool, out: &mut dyn Write) -> Result<()> {
    let scope = scope(args, verbose)?;
    // From here on a signal ends the log, and no longer the program.
    let mut stop = Stop::listen()?;
    let mut session = Session::start(&scope)?;
    let mut log = Follower::new(session.meta().clone(), Options { filter: args.but_scope(), ..options });
    log.begin(out)?;
    out.flush()?;
    let mut tick = interval(TICK);
    loop {
        tokio::select! {
            events = session.next() => match events {
                Some(events) => take(&mut log, events),
                None => break,
            },
            stopped = stop.wait() => {
                stopped?;
                break;
            }
            _ = tick.tick() => {
                session.tick();
                log.write(clock::boot_ns(), out)?;
                out.flush()?;
            }
        }
    }
    let last = |events| {
        take(&mut log, events);
        Ok::<_, SessionError>(())
    };
    let meta = session.stop(last).await?;
    Ok(log.finish(meta, out)?)
}

fn take(log: &mut Follower, events: Vec<Event>) {
    events.into_iter().for_each(|event| log.take(event));
}
