//! The shown view inside the frame: drawn by its own module, with its table, its text and its keys.

use ratatui::layout::Rect;

use super::{
    canvas::Canvas,
    help, latency, lazy, log, nodes, overview, page, probes, processes, regions, scroll,
    table::{self, Cells},
};
use crate::{
    text::Line,
    tui::{
        rows::{self, of_view::Rows, table::Table},
        state::{
            action::{Action, View},
            app::App,
            selection::Choice,
        },
    },
};

/// Draws the shown view.
pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    match app.view {
        View::Overview => overview::draw(app, canvas, area),
        View::Processes => processes::draw(app, canvas, area),
        View::Regions => regions::draw(app, canvas, area),
        View::Latency => latency::draw(app, canvas, area),
        View::Log => log::draw(app, canvas, area),
        View::Probes => probes::draw(app, canvas, area),
        View::Nodes => nodes::draw(app, canvas, area),
        View::Page => page::draw(app, canvas, area),
        View::Lazy => lazy::draw(app, canvas, area),
        View::Help => scroll::draw(canvas, area, &help::lines(app), app.scrolled()),
    }
}

/// How many lines of text the shown view has.
pub(super) fn text_lines(app: &App) -> u16 {
    let lines: Vec<Line> = match app.view {
        View::Page => page::lines(app),
        View::Help => help::lines(app),
        _ => Vec::new(),
    };
    lines.len().min(u16::MAX.into()) as u16
}

/// The rows of a view as cells.
pub(super) fn cells<'a>(rows: &'a Rows<'a>) -> &'a dyn Cells {
    match rows {
        Rows::Processes(rows) => rows,
        Rows::Threads(rows) => rows,
        Rows::Regions(rows) => rows,
        Rows::Pages(rows) => rows,
        Rows::Lazy(rows) => rows,
        Rows::Latency(rows) => rows,
        Rows::Log(rows) => rows,
        Rows::Probes(rows) => rows,
        Rows::Nodes(rows) => rows,
    }
}

/// The place of the table, its head included.
pub(super) fn table_area(app: &App, body: Rect) -> Rect {
    match app.view {
        View::Overview => overview::table_area(app, body),
        View::Processes => processes::table_area(app, body),
        View::Regions => regions::table_area(app, body),
        View::Latency => latency::table_area(app, body),
        View::Log => log::table_area(body),
        View::Probes => probes::table_area(body),
        View::Nodes => nodes::table_area(app, body),
        View::Page => page::table_area(body),
        View::Lazy => lazy::table_area(app, body),
        _ => body,
    }
}

/// The first row that is shown, if `rows` fit.
pub(super) fn first_row(app: &App, table: &dyn Table, order: &[usize], choice: &Choice, height: usize) -> usize {
    let selected = match app.view {
        View::Log if app.follow => order.len().saturating_sub(1),
        _ => rows::table::position(table, order, choice),
    };
    table::first_shown(selected, order.len(), height)
}

/// The keys of this view, without those of all views.
pub(super) fn hints(app: &App) -> Vec<(Action, &'static str)> {
    match app.view {
        View::Overview => vec![(Action::Open, "open"), (Action::Matrix, "matrix")],
        View::Processes => vec![(Action::Open, "open"), (Action::SortNext, "sort"), (Action::Tree, "tree")],
        View::Regions if app.threads => vec![(Action::Threads, "regions"), (Action::Back, "back")],
        View::Regions => {
            vec![
                (Action::Open, "page"),
                (Action::Threads, "threads"),
                (Action::SortNext, "sort"),
                (Action::Back, "back"),
            ]
        }
        View::Page if app.page.is_none() => {
            vec![(Action::Open, "open"), (Action::OpenPage, "address"), (Action::SortNext, "sort")]
        }
        View::Page => vec![(Action::OpenPage, "address"), (Action::Back, "back")],
        View::Latency | View::Probes | View::Nodes | View::Lazy => vec![(Action::SortNext, "sort")],
        View::Log => vec![(Action::Open, "page"), (Action::Bottom, "follow")],
        View::Help => vec![(Action::Down, "down"), (Action::Up, "up")],
    }
}
