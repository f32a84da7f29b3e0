//! Help: the keys, the words, the colours.

use strum::IntoEnumIterator;

use super::table::Table;
use super::{
    canvas::{Piece, dim, plain},
    theme::Tone,
};
use crate::tui::state::{
    action::{Action, View},
    app::App,
    prompt::Purpose,
};

/// The words that the views use.
const WORDS: [(&str, &str); 13] = [
    ("node", "a NUMA node: CPUs, and the memory that is near to them"),
    ("remote fault", "the page that was touched lies on another node than the CPU that touched it"),
    ("misplaced", "the kernel checked a page, and policy wants it on another node"),
    ("moved", "the kernel copied the page to another node"),
    ("failed", "it was to move and stayed: somebody held it, no free page, not movable"),
    ("direct", "mbind, move_pages, migrate_pages: the caller waits while pages move"),
    ("lazy", "mbind with MPOL_MF_LAZY marks pages; each moves in the fault that touches it next"),
    ("hinting", "a fault that NUMA balancing provoked in order to see who uses the page"),
    ("waited", "time that threads spent in page faults and placement calls"),
    ("lost", "events that a probe saw and nobody got: the numbers are too low by as much"),
    ("unlisted", "events that are in all counts and in no list: pages, threads and the log tell of the others"),
    ("uncounted", "events that came faster than this screen counts; a recording has them"),
    ("~  ?", "~ is derived, not counted; ? is not shown by this kernel. Neither is ever shown as 0"),
];

/// What a line that is typed may be.
pub(in crate::tui) const fn of_prompt(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Filter => {
            "enter counts only these, empty counts all: kind == fault && nid != cpu_node, comm == \"redis\"; esc leaves"
        }
        Purpose::Search => "only rows that have this text; enter keeps it, esc shows all",
        Purpose::Page => "the address of a page: 0x7f12a4000000; enter opens it, esc leaves",
    }
}

pub(super) fn lines(app: &App) -> Vec<Vec<Piece>> {
    let mut lines = vec![heading("views")];
    for view in View::ALL {
        let number = format!("{:>10}  ", view as u8 + 1);
        lines.push(vec![(number, Tone::Key), (format!("{:<10} ", view.title()), Tone::Strong), plain(view.question())]);
    }
    lines.push(Vec::new());
    lines.push(heading("keys"));
    let keys = Action::iter().filter(|action| action.view().is_none() || *action == Action::Help);
    for action in keys {
        let keys: Vec<String> = app.config.keymap.keys(action).iter().map(ToString::to_string).collect();
        if !keys.is_empty() {
            lines.push(vec![(format!("{:>22}  ", keys.join(" ")), Tone::Key), plain(action.says())]);
        }
    }
    lines.push(vec![
        dim(format!("{:>22}  ", "mouse")),
        plain("a view's name, a column, a row, a key below; the wheel goes up and down"),
    ]);
    lines.push(Vec::new());
    lines.push(heading("words"));
    lines.extend(WORDS.map(|(word, says)| vec![(format!("{word:>14}  "), Tone::Strong), plain(says)]));
    lines.push(Vec::new());
    lines.push(heading("colours"));
    let colours = [
        (Tone::Remote, "remote, misplaced"),
        (Tone::Good, "moved; live; exact"),
        (Tone::Warn, "marked; estimated; held still"),
        (Tone::Bad, "lost, failed"),
        (Tone::Dim, "zero, unavailable, beside the point"),
    ];
    lines.extend(colours.map(|(tone, says)| vec![("            ■ ".to_owned(), tone), plain(says)]));
    lines.push(Vec::new());
    lines.push(heading("columns of Processes"));
    lines.extend(columns(&super::processes::Processes::of(app, false)));
    lines.push(Vec::new());
    lines.push(heading("columns of Regions"));
    lines.extend(columns(&*super::regions::rows(app)));
    lines.push(Vec::new());
    lines.push(vec![dim("keys, theme and ascii are set in $XDG_CONFIG_HOME/migtrace/config.toml (docs/top.md)")]);
    lines
}

fn columns(table: &dyn Table) -> Vec<Vec<Piece>> {
    let line = |c: &super::table::Column| vec![(format!("{:>14}  ", c.title), Tone::Strong), plain(c.help)];
    table.columns().iter().map(line).collect()
}

fn heading(text: &str) -> Vec<Piece> {
    vec![(text.to_owned(), Tone::Heading)]
}
