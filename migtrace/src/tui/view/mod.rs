//! The views: a file for each, which makes its rows and draws them.

pub(crate) mod canvas;
pub(crate) mod frame;
mod heat_map;
pub(super) mod help;
mod latency;
mod lazy;
mod log;
mod matrix;
mod overview;
mod page;
mod probes;
mod processes;
mod regions;
pub(crate) mod spark;
pub(crate) mod table;
mod text;
pub mod theme;
mod threads;

use ratatui::layout::Rect;

use self::{
    canvas::{Canvas, Piece},
    table::{Choice, Table},
};
use super::state::{
    action::{Action, View},
    app::App,
};

/// Draws the view that is shown.
pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    match app.view {
        View::Overview => overview::draw(app, canvas, area),
        View::Processes => processes::draw(app, canvas, area),
        View::Regions => regions::draw(app, canvas, area),
        View::Latency => latency::draw(app, canvas, area),
        View::Log => log::draw(app, canvas, area),
        View::Probes => probes::draw(app, canvas, area),
        View::Page => page::draw(app, canvas, area),
        View::Lazy => lazy::draw(app, canvas, area),
        View::Help => text::draw(canvas, area, &help::lines(app), scrolled(app)),
    }
}

/// The lines of a view that is text.
fn text_of(app: &App) -> Vec<Vec<Piece>> {
    match app.view {
        View::Page => page::lines(app),
        View::Help => help::lines(app),
        _ => Vec::new(),
    }
}

fn scrolled(app: &App) -> u16 {
    app.scroll.get(&app.view).copied().unwrap_or(0)
}

/// How many lines a view of text has.
pub(super) fn lines(app: &App) -> u16 {
    text_of(app).len().min(u16::MAX.into()) as u16
}

/// The rows of a view that has some.
pub(super) fn table(app: &App, view: View) -> Option<Box<dyn Table + '_>> {
    Some(match view {
        View::Overview | View::Processes => {
            Box::new(processes::Processes::of(app, view == View::Processes && app.tree))
        }
        View::Regions if app.threads => Box::new(threads::Threads::of(app)),
        View::Regions => regions::rows(app),
        View::Latency => Box::new(latency::Latencies::of(app)),
        View::Log => Box::new(log::Lines::of(app)),
        View::Probes => Box::new(probes::Probes::of(app)),
        View::Page if app.page.is_none() => Box::new(page::Pages::of(app)),
        View::Lazy => Box::new(lazy::Requests::of(app)),
        View::Page | View::Help => return None,
    })
}

/// Whether a view has rows.
pub(super) fn has_table(app: &App) -> bool {
    match app.view {
        View::Help => false,
        View::Page => app.page.is_none(),
        _ => true,
    }
}

/// Where the rows are, their head included.
pub(super) fn table_area(app: &App, body: Rect) -> Rect {
    match app.view {
        View::Overview => overview::table_area(app, body),
        View::Processes => processes::table_area(app, body),
        View::Regions => regions::table_area(app, body),
        View::Latency => latency::table_area(body),
        View::Log => log::table_area(body),
        View::Probes => probes::table_area(body),
        View::Page => page::table_area(body),
        View::Lazy => lazy::table_area(app, body),
        _ => body,
    }
}

/// The first row that is shown, where `rows` are.
pub(super) fn first_row(app: &App, table: &dyn Table, order: &[usize], choice: &Choice, rows: usize) -> usize {
    let selected = match app.view {
        View::Log if app.follow => order.len().saturating_sub(1),
        _ => table::position(table, order, choice),
    };
    table::first_shown(selected, order.len(), rows)
}

/// The keys that do something in this view and not in all.
pub(super) fn hints(app: &App) -> Vec<(Action, &'static str)> {
    match app.view {
        View::Overview => vec![(Action::Open, "open"), (Action::Matrix, "faults/moves")],
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
        View::Latency | View::Probes | View::Lazy => vec![(Action::SortNext, "sort")],
        View::Log => vec![(Action::Open, "page"), (Action::Bottom, "follow")],
        View::Help => vec![(Action::Down, "down"), (Action::Up, "up")],
    }
}
