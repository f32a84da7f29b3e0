//! `migtrace map`: where every page of a process is.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use migtrace::{
    live::{
        traced_command::{Paused, TracedCommand},
        workload::{NotStarted, shell_status},
    },
    map::{Map, ReadError, Reader, change::Changes},
    units,
};

use super::{
    color::When,
    map_output::{Format, MapOutput},
    map_progress::PageProgress,
    map_trace::{self, Target, TraceArgs},
    streams::say,
};

/// Show on which node every page of a process is, now or in a trace, without touching any
///
/// For each region: pages by node, pages off the nodes that its policy names, pages on nodes where no thread of the process
/// ran last, pages mapped by huge pages, pages in swap, and pages that are not present. Nodes are those of page frames
/// (/proc/PID/pagemap, which needs CAP_SYS_ADMIN for frames); if frames are hidden, move_pages(2) shows them, more slowly.
///
/// With a command, the map is that of its end: the command stops before it gives up its memory, is read, and exits. Children
/// are not included. The process runs while it is read, so pages can change meanwhile: each page was there at some moment.
///
/// With a trace of `record --census`, shows its last census of a process, and what changed since the first.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  migtrace map 4711
  migtrace map 4711 --json | jq '.regions[] | select(.off_policy > 0)'
  migtrace map 4711 --csv --runs -o pages.csv
  migtrace map 4711 --plot map.svg
  migtrace map 4711 --watch 2s
  migtrace map -- ./stream --threads 8
  migtrace map --after 10s -- ./stream --threads 8
  migtrace map run.parquet --process 4711 --at 90s

Exit status: 0 ok; 1 if the process exited or executed another program while it was read; 2 if there is no such process; 69 if
it may not be read. With a command, its own status.")]
pub(crate) struct Args {
    /// Process to read, or trace with a census; for a file whose name is a number, write ./4711
    #[arg(
        value_name = "PID|FILE",
        required_unless_present = "command",
        conflicts_with = "command",
        value_parser = map_trace::target
    )]
    target: Option<Target>,
    #[command(flatten)]
    trace: TraceArgs,
    #[command(flatten)]
    output: MapOutput,
    /// Read it again and again, and print what changed: with the time between two readings, such as 500ms or 2s
    #[arg(long, value_name = "DURATION", value_parser = units::seconds, conflicts_with = "plot")]
    watch: Option<Duration>,
    /// End --watch after N readings
    #[arg(short = 'n', long, value_name = "N", requires = "watch")]
    readings: Option<u64>,
    /// Read the command after this time, and not at its end
    #[arg(long, value_name = "DURATION", value_parser = units::seconds, requires = "command")]
    after: Option<Duration>,
    /// When to colour the output. auto: on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: When,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
    /// Command to run, with its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if args.watch.is_some() && args.output.format() == Format::Csv {
        bail!("--watch prints text or --json, not --csv");
    }
    args.output.check()?;
    let is_trace = matches!(args.target, Some(Target::Trace(_)));
    if is_trace && args.watch.is_some() {
        bail!("--watch reads a running process, not a trace");
    }
    if !is_trace && (args.trace.at.is_some() || args.trace.process.is_some()) {
        bail!("--at and --process select a census of a trace: name the file instead of a PID");
    }
    match (&args.target, &args.command[..]) {
        (Some(Target::Process(pid)), _) => of_process(args, *pid),
        (Some(Target::Trace(path)), _) => {
            map_trace::show(path, &args.trace, &args.output, args.color)?;
            Ok(ExitCode::SUCCESS)
        }
        (None, command) => of_command(args, command),
    }
}

fn of_process(args: &Args, pid: u32) -> Result<ExitCode> {
    let mut session = Session::new(args, pid);
    if args.watch.is_none() {
        session.once()?;
        return Ok(ExitCode::SUCCESS);
    }
    while session.goes_on() {
        match session.again() {
            // Another program that it executed has a map of its own.
            Err(ReadError::Gone(_)) if session.reopen() => continue,
            Err(ReadError::Gone(_) | ReadError::Zombie(_) | ReadError::NoProcess(_)) if session.last.is_some() => {
                say!("process {pid} has exited");
                break;
            }
            Err(error) => return Err(error.into()),
            Ok(map) => session.show(map)?,
        }
        if session.goes_on() {
            std::thread::sleep(session.until_next());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn of_command(args: &Args, argv: &[String]) -> Result<ExitCode> {
    let command = TracedCommand::start(argv).map_err(not_started).with_context(|| format!("starting {}", argv[0]))?;
    command.forward_signals();
    let mut session = Session::new(args, command.pid);
    let after = args.after.and_then(|after| Instant::now().checked_add(after));
    let mut paused = Paused::Time;
    let mut shown = Ok(());
    while shown.is_ok() && session.goes_on() {
        paused = command.wait_until(match args.watch {
            Some(_) if session.last.is_none() => after.or_else(|| Some(Instant::now())),
            Some(_) => Instant::now().checked_add(session.until_next()),
            None => after,
        })?;
        if let Paused::Ended(_) = paused {
            shown = Err(ReadError::Gone(command.pid).into());
            break;
        }
        shown = session.read_and_show();
        if args.watch.is_none() || paused == Paused::BeforeExit {
            break;
        }
    }
    let status = command.finish(paused).context("waiting for the command")?;
    shown?;
    Ok(ExitCode::from(u8::try_from(shell_status(status)).unwrap_or(1)))
}

/// The reason itself, which has an exit status.
fn not_started(error: std::io::Error) -> anyhow::Error {
    match error.downcast::<NotStarted>() {
        Ok(reason) => reason.into(),
        Err(error) => error.into(),
    }
}

/// Readings of one process.
struct Session<'a> {
    args: &'a Args,
    pid: u32,
    reader: Option<Reader>,
    /// The last reading, and when it began.
    last: Option<(Map, Instant)>,
    began: Instant,
    readings: u64,
}

impl<'a> Session<'a> {
    fn new(args: &'a Args, pid: u32) -> Self {
        Self { args, pid, reader: None, last: None, began: Instant::now(), readings: 0 }
    }

    /// Whether another reading is wanted.
    fn goes_on(&self) -> bool {
        self.args.readings.is_none_or(|most| self.readings < most)
    }

    fn until_next(&self) -> Duration {
        self.args.watch.unwrap_or_default().saturating_sub(self.began.elapsed())
    }

    fn once(&mut self) -> Result<()> {
        let map = self.again()?;
        self.show(map)
    }

    fn read_and_show(&mut self) -> Result<()> {
        match self.again() {
            Err(ReadError::Gone(_)) if self.reopen() => self.once(),
            read => self.show(read?),
        }
    }

    fn again(&mut self) -> Result<Map, ReadError> {
        self.began = Instant::now();
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => none.insert(Reader::open(self.pid)?),
        };
        let keeps_runs = self.args.watch.is_some() || self.args.output.lists_runs();
        let mut progress = PageProgress::new(self.args.quiet);
        let read = reader.read(keeps_runs, &mut |done, all| progress.show(done, all));
        progress.clear();
        read
    }

    /// Forgets the address space that is gone. Returns whether the process has another one.
    fn reopen(&mut self) -> bool {
        let exists = self.reader.as_ref().is_some_and(Reader::exists);
        self.reader = None;
        exists
    }

    /// Shows the first map, and of later ones what changed.
    fn show(&mut self, map: Map) -> Result<()> {
        self.readings += 1;
        match &self.last {
            None => self.args.output.write(&map, self.args.color, self.args.watch.is_some())?,
            Some((last, _)) => self.args.output.write_changes(&Changes::between(last, &map), self.args.color)?,
        }
        if self.args.watch.is_some() {
            self.last = Some((map, self.began));
        }
        Ok(())
    }
}
