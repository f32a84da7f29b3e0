//! The rows of each view: as one type, as a listing for keys, and as CSV.

use super::{
    latency::Latencies,
    lazy::Requests,
    log::Lines,
    nodes::Nodes,
    pages::Pages,
    probes::Probes,
    processes::Processes,
    regions::Regions,
    table::{self, Table},
    threads::Threads,
};
use crate::{
    event::ProcessId,
    tui::state::{
        action::View,
        app::App,
        selection::{Listing, RowKey},
    },
};

/// The rows of a view.
pub(crate) enum Rows<'a> {
    Processes(Processes<'a>),
    Threads(Threads<'a>),
    Regions(Regions<'a>),
    Pages(Pages<'a>),
    Lazy(Requests<'a>),
    Latency(Latencies<'a>),
    Log(Lines<'a>),
    Probes(Probes<'a>),
    Nodes(Nodes<'a>),
}

impl<'a> Rows<'a> {
    /// The rows of a view; `None` if it is text.
    pub(crate) fn of(app: &'a App, view: View) -> Option<Self> {
        Some(match view {
            View::Overview => Self::Processes(Processes::of(app, false)),
            View::Processes => Self::Processes(Processes::of(app, app.tree)),
            View::Regions if app.threads => Self::Threads(Threads::of(app)),
            View::Regions => Self::Regions(Regions::of(app)),
            View::Page if app.page.is_none() => Self::Pages(Pages::of(app)),
            View::Lazy => Self::Lazy(Requests::of(app)),
            View::Latency => Self::Latency(Latencies::of(app)),
            View::Log => Self::Log(Lines::of(app)),
            View::Probes => Self::Probes(Probes::of(app)),
            View::Nodes => Self::Nodes(Nodes::of(app)),
            View::Page | View::Help => return None,
        })
    }

    pub(crate) fn table(&self) -> &dyn Table {
        match self {
            Self::Processes(rows) => rows,
            Self::Threads(rows) => rows,
            Self::Regions(rows) => rows,
            Self::Pages(rows) => rows,
            Self::Lazy(rows) => rows,
            Self::Latency(rows) => rows,
            Self::Log(rows) => rows,
            Self::Probes(rows) => rows,
            Self::Nodes(rows) => rows,
        }
    }
}

/// Whether a view has rows.
pub(crate) fn has_rows(app: &App, view: View) -> bool {
    match view {
        View::Help => false,
        View::Page => app.page.is_none(),
        _ => true,
    }
}

/// The rows of the shown view as keys act on them.
pub(crate) fn listing(app: &App) -> Option<Listing> {
    Rows::of(app, app.view).map(|rows| list(app, app.view, rows.table(), &app.search))
}

fn list(app: &App, view: View, table: &dyn Table, search: &str) -> Listing {
    let order = table::order(table, &app.choice(view), search);
    Listing {
        keys: order.into_iter().map(|row| table.key(row)).collect(),
        default_sort: table.default_sort(),
        numbers: table.columns().iter().map(|column| column.is_number).collect(),
    }
}

/// The process that is selected in Overview, or else in Processes.
pub(crate) fn selected_process(app: &App) -> Option<ProcessId> {
    let view = if app.view == View::Overview { View::Overview } else { View::Processes };
    let search = if app.view == view { &*app.search } else { "" };
    let listing = list(app, view, Rows::of(app, view)?.table(), search);
    match listing.keys.get(listing.position(&app.choice(view)))? {
        RowKey::Process(id) => Some(*id),
        _ => None,
    }
}

/// Writes the rows of the shown view as CSV; `None` if it has none.
///
/// # Errors
/// Those of the writer.
pub(crate) fn write_csv(app: &App, out: impl std::io::Write) -> Option<Result<(), csv::Error>> {
    let rows = Rows::of(app, app.view)?;
    Some(table::write_csv(rows.table(), &app.choice(app.view), &app.search, out))
}
