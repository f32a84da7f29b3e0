//! The text of Help: views, keys, words, colours, columns.

use strum::IntoEnumIterator;

use crate::{
    text::{Line, Tone, line},
    tui::{
        rows::{processes::Processes, regions::Regions, table::Table},
        state::{
            action::{Action, View},
            app::App,
            prompt::Purpose,
        },
    },
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

pub(super) fn lines(app: &App) -> Vec<Line> {
    let mut lines = vec![heading("views")];
    for view in View::ALL {
        let number = format!("{:>10}  ", view as u8 + 1);
        lines.push(line![
            Tone::Key.paint(number),
            Tone::Strong.paint(format!("{:<10} ", view.title())),
            view.question()
        ]);
    }
    lines.push(Line::new());
    lines.push(heading("keys"));
    let keys = Action::iter().filter(|action| action.view().is_none() || *action == Action::Help);
    for action in keys {
        let keys: Vec<String> = app.keymap.keys(action).iter().map(ToString::to_string).collect();
        if !keys.is_empty() {
            lines.push(line![Tone::Key.paint(format!("{:>22}  ", keys.join(" "))), action.says()]);
        }
    }
    lines.push(line![
        Tone::Dim.paint(format!("{:>22}  ", "mouse")),
        "a view's name, a column, a row, a key below; the wheel goes up and down",
    ]);
    lines.push(Line::new());
    lines.push(heading("words"));
    lines.extend(WORDS.map(|(word, says)| line![Tone::Strong.paint(format!("{word:>14}  ")), says]));
    lines.push(Line::new());
    lines.push(heading("colours"));
    let colours = [
        (Tone::Remote, "remote, misplaced"),
        (Tone::Good, "moved; live; exact"),
        (Tone::Warn, "marked; estimated; held still"),
        (Tone::Bad, "lost, failed"),
        (Tone::Dim, "zero, unavailable, beside the point"),
    ];
    lines.extend(colours.map(|(tone, says)| line![tone.paint("            ■ "), says]));
    lines.push(Line::new());
    lines.push(heading("columns of Processes"));
    lines.extend(columns(&Processes::of(app, false)));
    lines.push(Line::new());
    lines.push(heading("columns of Regions"));
    lines.extend(columns(&Regions::of(app)));
    lines.push(Line::new());
    let file = "keys, theme and ascii are set in $XDG_CONFIG_HOME/migtrace/config.toml (docs/top.md)";
    lines.push(line![Tone::Dim.paint(file)]);
    lines
}

fn columns(table: &dyn Table) -> impl Iterator<Item = Line> {
    table.columns().iter().map(|column| line![Tone::Strong.paint(format!("{:>14}  ", column.title)), column.help])
}

fn heading(text: &str) -> Line {
    line![Tone::Heading.paint(text)]
}
