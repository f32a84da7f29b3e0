//! `migtrace record`: the running kernel into a trace.

use std::{
    num::NonZeroU32,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use migtrace::{
    event::Kind,
    filter::{Filter, kernel::KernelScope},
    live::{
        host::requirements,
        privilege,
        scope::Scope,
        session::{Session, SessionError},
        workload::{Identity, Workload},
    },
    trace::Output,
    units::{self, PAGE_BYTES},
};
use tokio::signal::unix::{SignalKind, signal};

use super::{
    census::{CensusArgs, Censuses},
    dump_server::DumpServer,
    filter::{self, FilterArgs},
    follow::{self, TreeArgs},
    output,
    progress::Progress,
    recording::Recording,
    stop::{EndArgs, Stop},
    streams::say,
};

/// Record page faults, migrations and placement syscalls into a trace
///
/// With a command, records it and its children until it exits, and exits with its status. With --pid, records those
/// processes and the children they fork from then on, until all of them have exited; --tree adds the children that they
/// have already. With neither, records the whole system. Ctrl-C and --duration end every recording.
///
/// BPF programs evaluate filters in the kernel as far as possible, before an event is recorded. Filtered events are
/// counted.
#[derive(clap::Args)]
#[command(after_help = format!("Examples:
  migtrace record -o run.parquet ./stream --threads 8
  migtrace record --pid 4711 --tree --duration 30s
  sudo migtrace record -u $USER -- ./stream
  migtrace record -o lazy.parquet -- migtrace memtoy lazy.memtoy
  migtrace record --cgroup /system.slice/db.service --filter 'kind != fault || nid != cpu_node'
  migtrace record --sample 100 --uid 1000
  migtrace record --flight 30        (kill -USR1 writes the last 30 seconds)
  migtrace record --flight 5m --listen 127.0.0.1:9436
  curl -OJ 'http://127.0.0.1:9436/dump?last=1m'
  migtrace record --census --pid 4711 --duration 1m
  migtrace record --census -- ./stream
  migtrace record --rotate-size 1g --rotate-keep 8

{}", filter::EXAMPLES))]
pub(crate) struct Args {
    /// Trace file to write; data is staged in FILE.partial/ until recording ends
    #[arg(short, long, value_name = "FILE", default_value = "run.parquet")]
    output: PathBuf,
    /// Record the kernel and user stack of each event, with function names
    #[arg(long)]
    stacks: bool,
    /// Record how pages change their place without a migration: collapse into huge pages, copies on write, swap, KSM,
    /// mremap, unmapping, userfaultfd, neighbours that a fault maps, further mappings of migrated folios. Also on with `--census` and with `--kind place`
    #[arg(long)]
    places: bool,
    /// Leave arguments of commands out of the trace: they can contain passwords. Executables and parents remain
    #[arg(long)]
    no_cmdline: bool,
    /// Size of each CPU's ring buffer, rounded up to a power of two: 64k, 8m. Default: 64m divided among the CPUs that are
    /// online, 256k to 4m each
    #[arg(long, value_name = "SIZE", value_parser = ring_bytes)]
    ring_size: Option<u32>,
    #[command(flatten)]
    end: EndArgs,
    /// Run the command as this user: a name or UID. HOME, SHELL, USER and LOGNAME become those of the user
    #[arg(short, long, value_name = "USER", requires = "command", value_parser = Identity::named)]
    user: Option<Identity>,
    /// Print no progress and no summary
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    census: CensusArgs,
    #[command(flatten)]
    files: output::OutputArgs,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    tree: TreeArgs,
    /// Only events of tasks of this user
    #[arg(long, value_name = "UID", help_heading = filter::HEADING)]
    uid: Option<u32>,
    /// Record one in N page faults, checks, marks and folio migrations, selected at random in the kernel. Each sampled
    /// event carries weight N. Placement syscalls, batches, tasks, phases, mappings and changes of place are always recorded
    #[arg(long, value_name = "N", help_heading = filter::HEADING)]
    sample: Option<NonZeroU32>,
    /// Command to record, with its arguments
    #[arg(trailing_var_arg = true, value_name = "CMD")]
    command: Vec<String>,
}

impl Args {
    /// What to trace: the held command, or the processes that the filter names, or the whole system.
    fn scope(&self, workload: Option<&Workload>, verbose: bool) -> Result<Scope> {
        let filter = self.filter.but_scope();
        Ok(Scope {
            processes: match workload {
                Some(workload) => Some(vec![workload.pid]),
                None => (!self.filter.pid.is_empty()).then(|| self.filter.pid.clone()),
            },
            tree: self.tree.tree,
            ring_bytes: self.ring_size,
            stacks: self.stacks,
            places: self.places || self.census.is_wanted() || self.filter.names_kind(Kind::Place),
            command_lines: !self.no_cmdline,
            diagnostics: verbose,
            kernel: KernelScope { cgroups: self.filter.root_cgroups()?, uid: self.uid, sample: self.sample },
            filter_text: self.filter_text(&filter),
            command: self.recorded_command(),
            ..Scope::of(filter, privilege::WRITING)
        })
    }

    /// The command for the metadata: all of it, or the program alone.
    fn recorded_command(&self) -> Vec<String> {
        let words = if self.no_cmdline { 1 } else { usize::MAX };
        self.command.iter().take(words).cloned().collect()
    }

    /// What limits the recorded events, for the metadata: the filter, and what only the kernel evaluates. `None`: nothing.
    fn filter_text(&self, filter: &Filter) -> Option<String> {
        let parts: Vec<String> = self
            .filter
            .scope_text(self.tree, filter)
            .into_iter()
            .chain(self.uid.map(|uid| format!("of user {uid}")))
            .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// Parses `64k`, `8m` into bytes, rounded up to what the kernel accepts for a ring: a power of two, at least one page.
fn ring_bytes(text: &str) -> Result<u32, String> {
    let bytes = units::size_bytes(text)?.max(PAGE_BYTES).checked_next_power_of_two().filter(|&b| b <= 1 << 30);
    bytes.map(|b| b as u32).ok_or_else(|| "the maximum ring size is 1g".to_owned())
}

/// Runs the subcommand.
pub(crate) fn run(args: &Args, verbose: bool) -> Result<ExitCode> {
    let filter = args.filter.but_scope();
    if !filter.kinds().iter().any(|kind| !kind.is_of_recorder()) {
        bail!("the filter {filter} accepts no events");
    }
    if !args.filter.pid.is_empty() && !args.command.is_empty() {
        bail!("--pid and a command exclude each other: a command is recorded with its children alone");
    }
    requirements::check().map_err(SessionError::from)?;
    args.filter.check_pids()?;
    if args.output == Path::new("-") {
        bail!("a trace is a regular file, and cannot be written to standard output; ./- is a file of that name");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(record(args, verbose))
}

async fn record(args: &Args, verbose: bool) -> Result<ExitCode> {
    let plan = args.files.plan()?;
    // From here on a signal ends the recording in good order, also one that comes while the probes are attached.
    let mut stop = Stop::listen()?;
    let dump = signal(SignalKind::user_defined1()).context("listening for signals")?;
    let clients = DumpServer::start(&args.files.dump, &args.output).await?;
    let workload = match &args.command[..] {
        [] => None,
        argv => Some(Workload::hold(argv, args.user.as_ref()).with_context(|| format!("starting {}", argv[0]))?),
    };
    let session = Session::start(&args.scope(workload.as_ref(), verbose)?)?;
    session.log_unattached();
    let output = Output::create(&args.output, session.meta(), plan)
        .with_context(|| format!("creating the trace {}", args.output.display()))?;
    let mut censuses = Censuses::start(args.census, session.inbox())?;
    if let Some(censuses) = &mut censuses {
        match &workload {
            Some(workload) => censuses.follow(workload.pid)?,
            None => censuses.take(session.traced_processes()),
        }
    }
    if let Some(mut workload) = workload {
        workload.go().context("starting the command")?;
        stop.follow(workload);
    }
    stop.at(args.end.deadline());
    if let Some(not_followed) = follow::not_followed(&session).filter(|_| args.command.is_empty()) {
        log::warn!("{not_followed}");
    }
    if args.command.is_empty() && !args.quiet {
        say!("recording into {}; Ctrl-C ends it", args.output.display());
    }
    let mut recording = Recording {
        output,
        dump,
        is_flight: plan.flight.is_some(),
        clients,
        trigger: args.files.trigger(),
        pids: args.filter.pid.clone(),
        progress: Progress::new(args.quiet),
        quiet: args.quiet,
        filling_cpu_ns: 0,
        censuses,
    };
    let (mut meta, status) = recording.run(session, &mut stop).await?;
    recording.finish(args.stacks, &mut meta, status, &stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_sizes_are_powers_of_two_of_at_least_a_page() {
        assert_eq!(ring_bytes("4k"), Ok(4096));
        assert_eq!(ring_bytes("1"), Ok(4096));
        assert_eq!(ring_bytes("5m"), Ok(8 << 20));
        assert!(ring_bytes("2g").is_err());
        assert!(ring_bytes("8x").is_err());
        assert!(ring_bytes("").is_err());
    }
}
