//! The state of the screen, and how events, counts and time change it.

use std::collections::BTreeMap;

use super::{
    action::View,
    comparison::Moment,
    details::Details,
    keymap::Keymap,
    log_lines::LogLines,
    process_table::ProcessTable,
    prompt::Prompt,
    selection::Choice,
    session::{NotCounted, Overhead, Recording, Source},
};
use crate::{
    counts::Counts,
    event::{Body, Event, ProcessId},
    filter::Filter,
    live::host::numa_maps::NumaMaps,
    model::live::State,
    recording::{Meta, ProcessDetails, Topology},
};

/// All that a frame is drawn from.
pub struct App {
    /// What was counted.
    pub(crate) state: State,
    /// What is shown instead while the screen is paused.
    paused: Option<Box<State>>,
    /// Command lines, executables and parents. Not in the metadata of `state`, which views copy often.
    pub(crate) details_of: ProcessTable,
    pub(crate) keymap: Keymap,
    pub source: Source,
    pub(crate) view: View,
    /// The views before this one, the last one last.
    pub(crate) before: Vec<View>,
    pub(crate) choices: BTreeMap<View, Choice>,
    /// The first line shown of each view of text.
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
    pub not_counted: NotCounted,
    /// The source reports that the kernel called no programs on functions for a time.
    pub silenced: bool,
    /// The last counts from the kernel, if the source counts there.
    kernel_counts: Option<Counts>,
    pub(crate) moments: Vec<Moment>,
    pub recording: Option<Recording>,
    /// The followed processes have exited, so no more events come.
    pub have_exited: bool,
    pub overhead: Overhead,
    /// A message, and the time until which it is shown, ns.
    pub(crate) message: Option<(String, u64)>,
    pub(crate) tree: bool,
    pub(crate) threads: bool,
    pub(crate) matrix_of_faults: bool,
    pub(crate) log: LogLines,
    pub(crate) details: Details,
    /// The log follows the newest line.
    pub(crate) follow: bool,
    pub(crate) size: (u16, u16),
    /// Time of the last tick, ns.
    pub(crate) tick_ns: u64,
}

/// How long a message is shown, ns.
const MESSAGE_NS: u64 = 6_000_000_000;

impl App {
    /// A screen of this size before the first event.
    #[must_use]
    pub fn new(mut meta: Meta, source: Source, keymap: Keymap, size: (u16, u16)) -> Self {
        let details_of = ProcessTable::of(&std::mem::take(&mut meta.processes), meta.evicted_processes);
        Self {
            state: empty(meta, &source),
            paused: None,
            details_of,
            keymap,
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
            not_counted: NotCounted::default(),
            silenced: false,
            kernel_counts: None,
            moments: Vec::new(),
            recording: None,
            have_exited: false,
            overhead: Overhead::default(),
            message: None,
            tree: false,
            threads: false,
            matrix_of_faults: false,
            log: LogLines::default(),
            details: Details::default(),
            follow: true,
            size,
            tick_ns: 0,
        }
    }

    /// The counts shown: the current ones, or those of the moment when the screen was paused.
    #[must_use]
    pub fn shown(&self) -> &State {
        self.paused.as_deref().unwrap_or(&self.state)
    }

    /// Takes an event. No filter excludes nodes: they are of the machine, and not of a task.
    pub fn feed(&mut self, event: &Event) {
        if self.filter.wants(event) || matches!(event.body, Body::Node(_)) {
            self.state.feed(event);
            self.details.take(event);
        } else {
            self.not_counted.filtered = self.not_counted.filtered.saturating_add(event.weight());
        }
    }

    /// Notes an event that came too fast to be counted. If the kernel has counted it, it is only missing from the lists.
    /// Waits for migrations are few and cheap to count, and the kernel's counts do not have both sides of them.
    pub fn lose(&mut self, event: &Event) {
        if !self.state.is_counted_in_kernel(event) {
            self.not_counted.lost = self.not_counted.lost.saturating_add(event.weight());
        } else if self.filter.wants(event) {
            self.state.waits.feed(event);
        }
    }

    /// Takes the counts that the kernel made since the source began. A filter of the screen applies to events only: with
    /// one, the counts shown are of the events that have a record.
    pub fn count(&mut self, counts: Counts, now_ns: u64) {
        if self.kernel_counts.is_none() && self.filter.is_all() {
            self.state.count_since(Counts::default());
        }
        if self.filter.is_all() {
            self.state.count(&counts, now_ns);
        }
        self.kernel_counts = Some(counts);
    }

    /// Counts again from zero.
    pub fn reset(&mut self) {
        self.state = empty(self.state.meta.clone(), &self.source);
        if let Some(counts) = self.kernel_counts.clone().filter(|_| self.filter.is_all()) {
            self.state.count_since(counts);
        }
        self.not_counted = NotCounted::default();
        self.log = LogLines::default();
        self.details = Details::default();
        self.moments.clear();
    }

    /// Takes the paths of cgroups that are known now.
    pub fn set_cgroups(&mut self, paths: BTreeMap<u64, String>) {
        self.state.meta.cgroups = paths;
    }

    /// Takes the nodes that are online now. Those that went offline stay: events refer to them.
    pub fn add_topology(&mut self, topology: &Topology) {
        self.state.meta.topology.add(topology);
    }

    /// Takes what processes are, and how many the source evicted. A paused screen keeps what it shows.
    pub fn set_processes(&mut self, processes: &[ProcessDetails], evicted: u64) {
        self.details_of = ProcessTable::of(processes, evicted);
    }

    /// The metadata of the source.
    #[must_use]
    pub const fn meta(&self) -> &Meta {
        &self.state.meta
    }

    /// Events that the numbers shown lack: a probe saw them, and they were lost.
    pub(crate) fn lost(&self) -> u64 {
        let state = self.shown();
        let on_the_way = match &self.source {
            Source::Recording(playing) if playing.ended => state.meta.lost().max(state.lost()),
            _ => state.lost(),
        };
        on_the_way.saturating_add(state.uncounted).saturating_add(self.not_counted.lost)
    }

    /// Events that no page, thread or line of the log shows: they are only in the counts, or lost.
    pub(crate) fn not_listed(&self) -> u64 {
        self.not_counted.lost.saturating_add(self.shown().unrecorded())
    }

    /// Shows a message for a while.
    pub fn notify(&mut self, text: impl Into<String>) {
        self.message = Some((text.into(), self.tick_ns.saturating_add(MESSAGE_NS)));
    }

    /// Name of the shown view, in lower case.
    #[must_use]
    pub fn view_name(&self) -> String {
        self.view.title().to_lowercase()
    }

    /// Pauses the screen, or ends the pause. Counting goes on in either case.
    pub(crate) fn toggle_paused(&mut self) {
        self.paused = if self.paused.is_some() { None } else { Some(Box::new(self.state.clone())) };
    }

    #[must_use]
    pub(crate) const fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    pub(crate) fn choice(&self, view: View) -> Choice {
        self.choices.get(&view).cloned().unwrap_or_default()
    }

    /// Runs of programs that the kernel missed, as far as it reports them.
    pub(crate) fn missed(&self) -> u64 {
        let programs: u64 = self.overhead.programs.iter().filter_map(|program| program.missed).sum();
        programs.max(self.meta().missed())
    }

    /// Whether the kernel called no programs for a time, by the live source or by the recording's probes.
    pub(crate) fn is_silenced(&self) -> bool {
        self.silenced || self.meta().is_interrupted()
    }

    /// The first line shown of the view, if it is text.
    pub(crate) fn scrolled(&self) -> u16 {
        self.scroll.get(&self.view).copied().unwrap_or(0)
    }

    /// Advances the time.
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

    /// Prepares what takes too long for a frame, for the shown view only.
    pub(crate) fn refresh(&mut self) {
        match self.view {
            View::Log => self.log.refresh(self.paused.as_deref().unwrap_or(&self.state)),
            View::Page => match self.page {
                Some(page) => {
                    let name = match &self.source {
                        Source::Live => "this machine, live".to_owned(),
                        Source::Recording(playing) => playing.name.clone(),
                    };
                    let is_paused = self.paused.is_some();
                    self.details.show_page(page, is_paused, &self.state.meta, &name);
                }
                None => self.details.list_pages(self.tick_ns),
            },
            View::Lazy if self.paused.is_none() => self.details.list_lazy(),
            _ => {}
        }
    }
}

/// The state before the first event.
fn empty(meta: Meta, source: &Source) -> State {
    match source {
        Source::Live => State::new(meta),
        Source::Recording(_) => State::of_recording(meta),
    }
}
