//! All that a frame is drawn from: what was counted, and what the user chose. No terminal, no file, no clock.

use std::collections::BTreeMap;

use super::{action::View, details::Stories, log_lines::LogLines, moment::Moment, prompt::Prompt};
use crate::tui::{
    config::Config,
    driver::numa_maps::NumaMaps,
    view::{
        self,
        table::{self, Choice, Table},
    },
};
use crate::{
    counts::Counts,
    event::{Event, ProcessId},
    filter::Filter,
    model::live::State,
    recording::{Meta, ProgramCost},
};

/// Where events come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    Live,
    Recording(Playing),
}

/// How a recording is being played.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Playing {
    /// The file's name.
    pub name: String,
    pub events: u64,
    pub events_read: u64,
    pub start_ns: u64,
    pub end_ns: Option<u64>,
    pub position_ns: u64,
    /// Times as fast as it was; `None`: as fast as it can be read.
    pub speed: Option<f64>,
    pub paused: bool,
    /// All is read.
    pub ended: bool,
    /// Why nothing more can be read.
    pub error: Option<String>,
    /// The recording did not end: its last events are missing.
    pub truncated: bool,
}

/// A recording that is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    pub path: String,
    pub bytes: u64,
}

/// What watching costs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OwnCost {
    /// Of one CPU, over the last second.
    pub cpu_percent: Option<f64>,
    pub rss_bytes: Option<u64>,
    /// Of the programs in the kernel, as far as it measured them.
    pub programs: Vec<ProgramCost>,
}

/// What is not in the numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Events that the filter does not want.
    pub filtered: u64,
    /// Events that came faster than they could be counted.
    pub too_fast: u64,
}

/// What the program around is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    Quit,
    Suspend,
    Redraw,
    /// Read where the pages of this process lie.
    ReadNumaMaps(u32),
    StartRecording,
    StopRecording,
    SaveScreen,
    ExportCsv,
    /// Read the recording from its start, as far as it had been played.
    ReadAgain,
    TogglePlay,
    /// Times as fast as now.
    ChangeSpeed(f64),
    /// To this time, ns.
    Seek(u64),
}

/// See the module.
pub struct App {
    /// What grows.
    pub(crate) state: State,
    /// What is shown instead while the screen is held still.
    frozen: Option<Box<State>>,
    pub(crate) config: Config,
    pub source: Source,
    pub(crate) view: View,
    pub(crate) before: Vec<View>,
    pub(crate) choices: BTreeMap<View, Choice>,
    /// First line of a view of text.
    pub(crate) scroll: BTreeMap<View, u16>,
    /// The opened process.
    pub(crate) process: Option<ProcessId>,
    /// The opened page: its process, and its address.
    pub(crate) page: Option<(ProcessId, u64)>,
    pub(crate) numa_maps: Option<NumaMaps>,
    pub(crate) prompt: Option<Prompt>,
    pub(crate) search: String,
    pub(crate) filter: Filter,
    pub(crate) filter_text: String,
    pub left_out: LeftOut,
    /// The source says that the kernel stopped calling programs on functions for a time.
    pub silenced: bool,
    /// What was counted in the kernel at the last look, where the source counts there.
    kernel_counts: Option<Counts>,
    pub(crate) moments: Vec<Moment>,
    pub recording: Option<Recording>,
    pub own: OwnCost,
    /// Something to tell, and until when, ns.
    pub(crate) message: Option<(String, u64)>,
    pub(crate) tree: bool,
    pub(crate) threads: bool,
    pub(crate) matrix_of_faults: bool,
    pub(crate) log: LogLines,
    pub(crate) stories: Stories,
    /// The log stays at its end.
    pub(crate) follow: bool,
    pub(crate) size: (u16, u16),
    /// The last tick, ns.
    pub(crate) tick_ns: u64,
}

/// How long something is told, ns.
const MESSAGE_NS: u64 = 6_000_000_000;

impl App {
    /// Nothing happened yet, on a screen of this size.
    #[must_use]
    pub fn new(meta: Meta, source: Source, config: Config, size: (u16, u16)) -> Self {
        Self {
            state: State::new(meta),
            frozen: None,
            config,
            source,
            view: View::Overview,
            before: Vec::new(),
            choices: BTreeMap::new(),
            scroll: BTreeMap::new(),
            process: None,
            page: None,
            numa_maps: None,
            prompt: None,
            search: String::new(),
            filter: Filter::all(),
            filter_text: String::new(),
            left_out: LeftOut::default(),
            silenced: false,
            kernel_counts: None,
            moments: Vec::new(),
            recording: None,
            own: OwnCost::default(),
            message: None,
            tree: false,
            threads: false,
            matrix_of_faults: false,
            log: LogLines::default(),
            stories: Stories::default(),
            follow: true,
            size,
            tick_ns: 0,
        }
    }

    /// What is shown: what was counted, or what was when the screen was held.
    #[must_use]
    pub fn shown(&self) -> &State {
        self.frozen.as_deref().unwrap_or(&self.state)
    }

    /// Takes an event.
    pub fn feed(&mut self, event: &Event) {
        if self.filter.wants(event) {
            self.state.feed(event);
            self.stories.take(event);
        } else {
            self.left_out.filtered = self.left_out.filtered.saturating_add(event.weight());
        }
    }

    /// An event came too fast to be taken. Where the kernel has counted it, it is in no list, and in all counts.
    pub fn let_go(&mut self, event: &Event) {
        if !self.state.is_counted_in_kernel(event) {
            self.left_out.too_fast = self.left_out.too_fast.saturating_add(event.weight());
        }
    }

    /// Takes what was counted in the kernel since the source began. A filter of the screen's own can only be asked about
    /// events: with one, events are what is counted, as many as got a record.
    pub fn count(&mut self, counts: Counts, now_ns: u64) {
        if self.kernel_counts.is_none() && self.filter.is_all() {
            self.state.count_since(Counts::default());
        }
        if self.filter.is_all() {
            self.state.count(&counts, now_ns);
        }
        self.kernel_counts = Some(counts);
    }

    /// Begins anew: nothing happened yet.
    pub fn reset(&mut self) {
        self.state = State::new(self.state.meta.clone());
        if let Some(counts) = self.kernel_counts.clone().filter(|_| self.filter.is_all()) {
            self.state.count_since(counts);
        }
        self.left_out = LeftOut::default();
        self.log = LogLines::default();
        self.stories = Stories::default();
        self.moments.clear();
    }

    /// Paths of cgroups, as far as they are known now.
    pub fn set_cgroups(&mut self, paths: BTreeMap<u64, String>) {
        self.state.meta.cgroups = paths;
    }

    /// What the source says about itself.
    #[must_use]
    pub const fn meta(&self) -> &Meta {
        &self.state.meta
    }

    /// Events that are at most in the counts: no page, thread or line of the log tells of them.
    pub(crate) fn untold(&self) -> u64 {
        self.left_out.too_fast.saturating_add(self.shown().unrecorded())
    }

    /// Tells something for a while.
    pub fn say(&mut self, text: impl Into<String>) {
        self.message = Some((text.into(), self.tick_ns.saturating_add(MESSAGE_NS)));
    }

    /// Name of the view that is shown.
    #[must_use]
    pub fn view_name(&self) -> String {
        self.view.title().to_lowercase()
    }

    /// Holds the screen still, or lets it go on. Counting goes on in either case.
    pub(crate) fn toggle_frozen(&mut self) {
        self.frozen = if self.frozen.is_some() { None } else { Some(Box::new(self.state.clone())) };
    }

    #[must_use]
    pub(crate) const fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    pub(crate) fn choice(&self, view: View) -> Choice {
        self.choices.get(&view).cloned().unwrap_or_default()
    }

    /// Times that the kernel did not run a program, as far as it says.
    pub(crate) fn missed(&self) -> u64 {
        let programs: u64 = self.own.programs.iter().filter_map(|program| program.missed).sum();
        programs.max(self.meta().missed())
    }

    /// Whether the kernel did not call the programs for a time: by a live source, or by what a recording says of its probes.
    pub(crate) fn is_silenced(&self) -> bool {
        self.silenced || self.meta().is_interrupted()
    }

    /// The rows of the view that is shown, where it has some.
    pub(crate) fn table(&self) -> Option<Box<dyn Table + '_>> {
        view::table(self, self.view)
    }

    /// Writes the rows of the view that is shown as CSV; `None` where it has none.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_csv(&self, out: impl std::io::Write) -> Option<Result<(), csv::Error>> {
        let table = self.table()?;
        Some(table::write_csv(&*table, &self.choice(self.view), &self.search, out))
    }

    /// A time goes by.
    pub fn tick(&mut self, now_ns: u64) {
        self.tick_ns = now_ns;
        if self.message.as_ref().is_some_and(|(_, until)| now_ns >= *until) {
            self.message = None;
        }
        match &self.source {
            Source::Live => self.state.tick(now_ns),
            Source::Recording(playing) => self.state.tick(playing.position_ns),
        }
    }

    /// Makes what takes longer than a frame may: only for the view that is shown.
    pub(crate) fn refresh(&mut self) {
        match self.view {
            View::Log => self.log.refresh(self.frozen.as_deref().unwrap_or(&self.state)),
            View::Page => match self.page {
                Some(page) => {
                    let name = match &self.source {
                        Source::Live => "this machine, live".to_owned(),
                        Source::Recording(playing) => playing.name.clone(),
                    };
                    let is_held = self.frozen.is_some();
                    self.stories.tell_page(page, is_held, &self.state.meta, &name);
                }
                None => self.stories.list_pages(self.tick_ns),
            },
            View::Lazy if self.frozen.is_none() => self.stories.list_lazy(),
            _ => {}
        }
    }
}
