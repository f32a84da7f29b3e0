//! The views, and the actions that keys can have. Actions have these names in the configuration file.

use strum::{Display, EnumIter, EnumString, IntoStaticStr};

/// The views, in the order of their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default, IntoStaticStr, EnumIter)]
pub enum View {
    #[default]
    Overview,
    Processes,
    Regions,
    Page,
    Lazy,
    Latency,
    Log,
    Probes,
    Nodes,
    Help,
}

impl View {
    pub const ALL: [Self; 10] = [
        Self::Overview,
        Self::Processes,
        Self::Regions,
        Self::Page,
        Self::Lazy,
        Self::Latency,
        Self::Log,
        Self::Probes,
        Self::Nodes,
        Self::Help,
    ];

    #[must_use]
    pub fn title(self) -> &'static str {
        self.into()
    }

    /// The question that the view answers.
    #[must_use]
    pub const fn question(self) -> &'static str {
        match self {
            Self::Overview => "What is going on, and what stands out?",
            Self::Processes => "Which process has pages on the wrong node, and waits?",
            Self::Regions => "Where is the memory of a process, and when was it touched?",
            Self::Page => "What happened to a page, and why was it migrated or not?",
            Self::Lazy => "What is the fate of pages marked for lazy migration?",
            Self::Latency => "How long do faults, syscalls and migrations take?",
            Self::Log => "What happened, event by event?",
            Self::Probes => "What is traced, what was lost, what is the overhead?",
            Self::Nodes => "What has each node, and which pages come and go there?",
            Self::Help => "What do the keys, words and colours mean?",
        }
    }
}

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Display, EnumString, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Action {
    Quit,
    Help,
    Overview,
    Processes,
    Regions,
    Page,
    Lazy,
    Latency,
    Log,
    Probes,
    Nodes,
    NextView,
    PreviousView,
    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Open,
    OpenPage,
    Back,
    SortNext,
    SortPrevious,
    SortReverse,
    Pause,
    Mark,
    Filter,
    Search,
    Record,
    SaveScreen,
    ExportCsv,
    Tree,
    Threads,
    Matrix,
    Faster,
    Slower,
    SeekBack,
    SeekForward,
    SeekStart,
    SeekEnd,
    Suspend,
    Redraw,
}

impl Action {
    /// What the action does, in a few words.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Quit => "quit",
            Self::Help => "help",
            Self::Overview => "overview",
            Self::Processes => "processes",
            Self::Regions => "regions of the open process",
            Self::Page => "the open page",
            Self::Lazy => "lazy migration",
            Self::Latency => "latencies",
            Self::Log => "log",
            Self::Probes => "probes",
            Self::Nodes => "nodes",
            Self::NextView => "next view",
            Self::PreviousView => "previous view",
            Self::Up => "up",
            Self::Down => "down",
            Self::PageUp => "screen up",
            Self::PageDown => "screen down",
            Self::Top => "first row",
            Self::Bottom => "last row; follow the log",
            Self::Open => "open the selected row",
            Self::OpenPage => "open a page by its address",
            Self::Back => "back; cancel a prompt",
            Self::SortNext => "sort by the next column",
            Self::SortPrevious => "sort by the previous column",
            Self::SortReverse => "reverse the order",
            Self::Pause => "pause the screen (live), play or pause (recording)",
            Self::Mark => "mark a moment; 2nd press: compare; 3rd press: clear",
            Self::Filter => "filter events by an expression",
            Self::Search => "show only rows that contain a text",
            Self::Record => "start or stop a recording",
            Self::SaveScreen => "save the screen as text",
            Self::ExportCsv => "save the view's rows as CSV",
            Self::Tree => "processes as a tree, or flat",
            Self::Threads => "threads instead of regions",
            Self::Matrix => "matrix of migrations, or of faults",
            Self::Faster => "play faster",
            Self::Slower => "play slower",
            Self::SeekBack => "back by 5% of the recording",
            Self::SeekForward => "forward by 5% of the recording",
            Self::SeekStart => "to the start of the recording",
            Self::SeekEnd => "to the end of the recording",
            Self::Suspend => "suspend",
            Self::Redraw => "redraw",
        }
    }

    /// The view that the action shows.
    #[must_use]
    pub const fn view(self) -> Option<View> {
        Some(match self {
            Self::Overview => View::Overview,
            Self::Processes => View::Processes,
            Self::Regions => View::Regions,
            Self::Page => View::Page,
            Self::Lazy => View::Lazy,
            Self::Latency => View::Latency,
            Self::Log => View::Log,
            Self::Probes => View::Probes,
            Self::Nodes => View::Nodes,
            Self::Help => View::Help,
            _ => return None,
        })
    }
}
