//! What a key, a mouse button or the program around can ask of the screen. The words are those of the configuration file.

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
    Help,
}

impl View {
    pub const ALL: [Self; 9] = [
        Self::Overview,
        Self::Processes,
        Self::Regions,
        Self::Page,
        Self::Lazy,
        Self::Latency,
        Self::Log,
        Self::Probes,
        Self::Help,
    ];

    #[must_use]
    pub fn title(self) -> &'static str {
        self.into()
    }

    /// The question that it answers.
    #[must_use]
    pub const fn question(self) -> &'static str {
        match self {
            Self::Overview => "What is going on, and what stands out?",
            Self::Processes => "Which process keeps its pages on the wrong node, and who waits?",
            Self::Regions => "Which memory of this process is it, and when was it touched?",
            Self::Page => "What happened to this page, and why did it move or stay?",
            Self::Lazy => "What became of the pages that were marked for lazy migration?",
            Self::Latency => "How long do faults, calls and moves take, stage by stage?",
            Self::Log => "What happened, in words, one event after the other?",
            Self::Probes => "What can be seen on this kernel, what was lost, what does watching cost?",
            Self::Help => "Which keys are there, and what do the words and colours mean?",
        }
    }
}

/// What a key can do.
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
    /// What it does, in a few words.
    #[must_use]
    pub const fn says(self) -> &'static str {
        match self {
            Self::Quit => "quit",
            Self::Help => "help",
            Self::Overview => "overview",
            Self::Processes => "processes",
            Self::Regions => "regions of the opened process",
            Self::Page => "the opened page",
            Self::Lazy => "lazy migration",
            Self::Latency => "latencies",
            Self::Log => "log",
            Self::Probes => "probes",
            Self::NextView => "next view",
            Self::PreviousView => "view before",
            Self::Up => "up",
            Self::Down => "down",
            Self::PageUp => "screen up",
            Self::PageDown => "screen down",
            Self::Top => "first row",
            Self::Bottom => "last row; follow the log",
            Self::Open => "open what is selected",
            Self::OpenPage => "open a page by its address",
            Self::Back => "back; leave a prompt",
            Self::SortNext => "sort by the next column",
            Self::SortPrevious => "sort by the column before",
            Self::SortReverse => "turn the order round",
            Self::Pause => "hold the screen still (live), play or pause (recording)",
            Self::Mark => "mark a moment; the second compares; the third clears",
            Self::Filter => "filter events by an expression",
            Self::Search => "show only rows with a text",
            Self::Record => "start or stop a recording",
            Self::SaveScreen => "save the screen as text",
            Self::ExportCsv => "save the view's rows as CSV",
            Self::Tree => "processes as a tree, or flat",
            Self::Threads => "threads instead of regions",
            Self::Matrix => "matrix of moves, or of faults",
            Self::Faster => "play faster",
            Self::Slower => "play slower",
            Self::SeekBack => "back by a twentieth",
            Self::SeekForward => "forward by a twentieth",
            Self::SeekStart => "to the start",
            Self::SeekEnd => "to the end",
            Self::Suspend => "suspend",
            Self::Redraw => "draw anew",
        }
    }

    /// The view that it goes to.
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
            Self::Help => View::Help,
            _ => return None,
        })
    }
}
