//! What keys and the mouse need to know of the screen: its rows and its size, and what is where.

use super::{content, frame, table};
use crate::tui::{
    rows::{
        self,
        of_view::{self, Rows},
    },
    state::{
        action::{Action, View},
        app::App,
        selection::{Screen, Target},
    },
};

/// The screen as the next key acts on it.
pub(crate) fn screen(app: &App) -> Screen {
    // A line that is typed needs none of it.
    if app.prompt.is_some() {
        return Screen::default();
    }
    Screen {
        height: frame::body(app).height,
        lines: content::text_lines(app),
        listing: of_view::listing(app),
        process: if app.process.is_none() { of_view::selected_process(app) } else { None },
    }
}

/// What is at a place of the screen.
pub(crate) fn target(app: &App, x: u16, y: u16) -> Option<Target> {
    let (width, height) = app.size;
    if y == 1 {
        let at = |(_, start, text): &(View, u16, String)| (*start..*start + text.chars().count() as u16).contains(&x);
        return frame::tab_places(app, width).into_iter().find(at).map(|(view, ..)| Target::View(view));
    }
    if y + 1 == height {
        let at = |(_, start, key, says): &(Action, u16, String, &str)| {
            (*start..*start + (key.chars().count() + 1 + says.len()) as u16).contains(&x)
        };
        return frame::hint_places(app, width).into_iter().find(at).map(|(action, ..)| Target::Do(action));
    }
    let rows = Rows::of(app, app.view)?;
    let table = rows.table();
    let area = content::table_area(app, frame::body(app));
    if y == area.y && area.height > 0 {
        let columns = table::fit(content::cells(&rows), area.width);
        let at = |(_, start, room): &(usize, u16, u16)| (area.x + start..=area.x + start + room).contains(&x);
        return columns.into_iter().find(at).map(|(column, ..)| Target::Sort(column));
    }
    if y <= area.y || y >= area.bottom() {
        return None;
    }
    let choice = app.choice(app.view);
    let order = rows::table::order(table, &choice, &app.search);
    let first = content::first_row(app, table, &order, &choice, usize::from(area.height - 1));
    let position = first + usize::from(y - area.y - 1);
    (position < order.len()).then_some(Target::Row(position))
}
