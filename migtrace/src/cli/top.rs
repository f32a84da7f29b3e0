//! `migtrace top`: the screen, live or over a recording.

use std::{
    env,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use migtrace::{
    event::escape_control,
    filter::kernel::KernelScope,
    live::{
        host::requirements,
        privilege,
        scope::Scope,
        session::{Session, SessionError},
    },
    recording::Meta,
    tui::{
        driver::{
            batch,
            config::{self, Config},
            recorder::Recorder,
            replay::{self, Replay},
            run, source,
        },
        state::{action::View, app::App, session::Source},
        view::theme::{Palette, Theme},
    },
};

use super::{
    filter::{self, FilterArgs},
    follow::{self, TreeArgs},
    load,
    stop::EndArgs,
    streams::{self, say},
    top_live::{self, LiveSource},
    top_record::{NoRecorder, TraceRecorder},
};

/// Watch which pages are on the wrong node, which migrate, and which threads wait
///
/// Without FILE, top is live and needs the same privileges as record. With FILE, it reads the recording at full speed.
/// Then space plays it from the start, + and - change the speed, [ and ] seek. The last line of the screen lists keys; ?
/// explains all keys and words.
#[derive(clap::Args)]
#[command(after_help = format!("Examples:
  sudo migtrace top
  sudo migtrace top --pid 4711
  sudo migtrace top --filter 'kind != fault || nid != cpu_node'
  migtrace top run.parquet
  migtrace top run.parquet --comm redis-server --theme light
  sudo migtrace top --batch -n 3 -d 10 --view processes > processes.txt
  migtrace top run.parquet --batch --json | jq .rates

{}", filter::EXAMPLES))]
pub(crate) struct Args {
    /// Recording to show; default: the running system
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Colours for a dark or a light background, or none [default: dark, none with NO_COLOR]
    #[arg(long, value_name = "THEME")]
    theme: Option<Palette>,
    /// Draw with ASCII characters only
    #[arg(long)]
    ascii: bool,
    /// Do not capture the mouse, so that the terminal can select text
    #[arg(long)]
    no_mouse: bool,
    /// Configuration file [default: $XDG_CONFIG_HOME/migtrace/config.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// File for the recording started with r [default: migtrace-TIME.parquet]
    #[arg(short, long, value_name = "FILE", conflicts_with = "file")]
    output: Option<PathBuf>,
    /// Time between two updates, at least 0.1: seconds, or with a unit. A key is answered at once
    /// [default: 0.1; with --batch: 1; with --batch and FILE: only its end]
    #[arg(short = 'd', long, value_name = "SECONDS", value_parser = config::interval)]
    interval: Option<Duration>,
    #[command(flatten)]
    batch: BatchArgs,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    tree: TreeArgs,
}

#[derive(clap::Args)]
#[command(next_help_heading = "Batch")]
struct BatchArgs {
    /// Write updates to standard output, without a terminal. With FILE, the updates are by the recording's time
    #[arg(short, long)]
    batch: bool,
    /// Number of updates [default: until Ctrl-C, or to the end of FILE]
    #[arg(short = 'n', long, value_name = "N", requires = "batch", value_parser = clap::value_parser!(u64).range(1..))]
    updates: Option<u64>,
    /// View to write
    #[arg(long, value_name = "NAME", requires = "batch", default_value = "overview")]
    view: BatchView,
    /// Write JSON, a line for each update (docs/top.md)
    #[arg(long, requires = "batch")]
    json: bool,
}

/// The views that need no selection. The log is `migtrace log`.
#[derive(Clone, Copy, clap::ValueEnum)]
enum BatchView {
    Overview,
    Processes,
    Page,
    Lazy,
    Latency,
    Probes,
    Nodes,
}

impl From<BatchView> for View {
    fn from(view: BatchView) -> Self {
        match view {
            BatchView::Overview => Self::Overview,
            BatchView::Processes => Self::Processes,
            BatchView::Page => Self::Page,
            BatchView::Lazy => Self::Lazy,
            BatchView::Latency => Self::Latency,
            BatchView::Probes => Self::Probes,
            BatchView::Nodes => Self::Nodes,
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if !args.batch.batch && (!io::stdout().is_terminal() || !io::stdin().is_terminal()) {
        bail!("top needs a terminal; with --batch it writes to files and pipes, as log, summary and export do");
    }
    let config = read_config(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let said = runtime.block_on(async {
        match &args.file {
            Some(file) => {
                follow::check_recorded(args.tree, EndArgs::default())?;
                recording(args, file, config).await
            }
            None => live(args, config).await,
        }
    })?;
    // Does not wait for threads that read a recording or walk page tables.
    runtime.shutdown_background();
    if let Some(said) = said {
        say!("{said}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The configuration file, overridden by options and environment.
fn read_config(args: &Args) -> Result<Config> {
    let var = |name| env::var_os(name).filter(|value| !value.is_empty());
    let path = args
        .config
        .clone()
        .or_else(|| config::path(var("XDG_CONFIG_HOME").map(PathBuf::from), var("HOME").map(PathBuf::from)));
    if let Some(path) = args.config.as_ref().filter(|path| !path.exists()) {
        bail!("--config {}: no such file", path.display());
    }
    let mut config = path.map_or_else(|| Ok(Config::default()), |path| Config::read(&path))?;
    if var("NO_COLOR").is_some() {
        config.theme.palette = Palette::None;
    }
    if let Some(theme) = args.theme {
        config.theme.palette = theme;
    }
    // A locale that is given and is not of UTF-8 says what the terminal can show.
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(var);
    let locale = locale.map(|l| l.to_string_lossy().to_ascii_lowercase().replace('-', ""));
    config.theme.ascii |= args.ascii || locale.is_some_and(|locale| !locale.contains("utf8"));
    Ok(config)
}

async fn recording(args: &Args, file: &Path, config: Config) -> Result<Option<String>> {
    let (trace, filter) = load::open(file, &args.filter)?;
    let meta = replay::meta(&trace, &filter);
    let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
    let replay = Replay::start(file.to_owned(), escape_control(&name), trace, filter);
    let playing = source::Source::playing(&replay).unwrap_or_default();
    show(meta, Source::Recording(playing), config, replay, NoRecorder, args).await
}

async fn live(args: &Args, config: Config) -> Result<Option<String>> {
    requirements::check().map_err(SessionError::from)?;
    args.filter.check_pids()?;
    let filter = args.filter.but_scope();
    let scope = Scope {
        processes: (!args.filter.pid.is_empty()).then(|| args.filter.pid.clone()),
        tree: args.tree.tree,
        // The kernel can apply only a part of a filter, and would count too much.
        aggregate: filter.is_all().then(top_live::records_of_a_cpu),
        kernel: KernelScope { cgroups: args.filter.root_cgroups()?, uid: None, sample: None },
        filter_text: args.filter.scope_text(args.tree, &filter),
        ..Scope::of(filter, privilege::RECORDING)
    };
    say!("attaching probes");
    let session = Session::start(&scope)?;
    let meta = session.meta().clone();
    // Batch mode has no place for the screen's messages.
    if let Some(not_followed) = follow::not_followed(&session).filter(|_| args.batch.batch) {
        say!("{not_followed}");
    }
    let recorder = TraceRecorder::new(args.output.clone(), &args.filter, args.tree);
    let source = LiveSource::new(session, args.filter.pid.clone());
    show(meta, Source::Live, config, source, recorder, args).await
}

async fn show<S: source::Source, R: Recorder>(
    meta: Meta,
    kind: Source,
    config: Config,
    source: S,
    recorder: R,
    args: &Args,
) -> Result<Option<String>> {
    let app = App::new(meta, kind, config.keymap, (80, 24));
    if args.batch.batch {
        let mut out = streams::plain_stdout()?;
        let batch = batch::Batch {
            view: args.batch.view.into(),
            updates: args.batch.updates,
            // The time of a recording has nothing to do with how often the screen is drawn.
            interval: args.interval.or(if args.file.is_some() { None } else { config.interval }),
            json: args.batch.json,
            theme: Theme { palette: Palette::None, ..config.theme },
        };
        batch::run(app, source, batch, &mut out).await?;
        return Ok(None);
    }
    let screen =
        run::Screen { theme: config.theme, mouse: !args.no_mouse, interval: args.interval.or(config.interval) };
    // What a log says would be written over the screen.
    let level = log::max_level();
    log::set_max_level(log::LevelFilter::Off);
    let said = run::run(app, source, recorder, screen).await.context("using the terminal");
    log::set_max_level(level);
    said
}
