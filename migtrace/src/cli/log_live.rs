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

use super::{
    filter::FilterArgs,
    follow::{self, TreeArgs},
    log::Args,
    stop::Stop,
    streams::say,
};

/// How often complete lines are written.
const TICK: Duration = Duration::from_millis(250);

pub(super) fn run(args: &Args, options: Options, verbose: bool, out: &mut dyn Write) -> Result<()> {
    requirements::check().map_err(SessionError::from)?;
    args.filter.check_pids()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(run_live(args, options, verbose, out))
}

fn scope(args: &FilterArgs, tree: TreeArgs, verbose: bool) -> Result<Scope> {
    // What an event means follows from what its task did around it.
    let filter = args.but_scope().of_tasks();
    Ok(Scope {
        processes: (!args.pid.is_empty()).then(|| args.pid.clone()),
        tree: tree.tree,
        diagnostics: verbose,
        kernel: KernelScope { cgroups: args.root_cgroups()?, uid: None, sample: None },
        filter_text: args.scope_text(tree, &filter),
        ..Scope::of(filter, privilege::READING)
    })
}

async fn run_live(args: &Args, options: Options, verbose: bool, out: &mut dyn Write) -> Result<()> {
    let scope = scope(&args.filter, args.tree, verbose)?;
    // From here on a signal ends the log, and no longer the program.
    let mut stop = Stop::listen()?;
    let mut session = Session::start(&scope)?;
    stop.at(args.end.deadline());
    if let Some(not_followed) = follow::not_followed(&session) {
        log::warn!("{not_followed}");
    }
    let mut lines = Follower::new(session.meta().clone(), Options { filter: args.filter.but_scope(), ..options });
    lines.begin(out)?;
    out.flush()?;
    let mut tick = interval(TICK);
    loop {
        tokio::select! {
            events = session.next() => match events {
                Some(events) => take(&mut lines, events),
                None => break,
            },
            stopped = stop.wait() => {
                stopped?;
                break;
            }
            _ = tick.tick() => {
                session.tick();
                lines.write(clock::boot_ns(), out)?;
                out.flush()?;
                if session.processes_have_exited() {
                    say!("{}", follow::have_exited(&args.filter.pid));
                    break;
                }
            }
        }
    }
    let last = |events| {
        take(&mut lines, events);
        Ok::<_, SessionError>(())
    };
    let meta = session.stop(last).await?;
    Ok(lines.finish(meta, out)?)
}

fn take(lines: &mut Follower, events: Vec<Event>) {
    events.into_iter().for_each(|event| lines.take(event));
}
