//! The text of Help: views, keys, words, colours, columns.

use strum::IntoEnumIterator;

use crate::{
    text::{Line, Tone, line},
    tui::{
        rows::{nodes::Nodes, processes::Processes, regions::Regions, table::Table},
        state::{
            action::{Action, View},
            app::App,
            prompt::Purpose,
        },
    },
};

/// The words that the views use.
const WORDS: [(&str, &str); 17] = [
    ("node", "a NUMA node: CPUs and the memory next to them"),
    ("remote fault", "the page is on another node than the CPU that touched it"),
    ("misplaced", "a check found the page on a node that its policy does not want"),
    ("migrated", "the kernel copied the page to another frame, mostly on another node"),
    ("failed", "not migrated although the kernel tried: page in use, no free page, not movable"),
    ("direct", "mbind, move_pages, migrate_pages: the caller waits while pages are migrated"),
    ("lazy", "mbind with MPOL_MF_LAZY marks pages; the next touch of each migrates it"),
    ("hinting", "a fault that NUMA balancing provokes to see which CPU uses the page"),
    ("waited", "time that threads spent in page faults and placement syscalls"),
    ("lost", "events that a probe saw and that are in no number: counts are too low by as many"),
    ("missed", "runs of a probe's program that the kernel skipped: their events were not seen"),
    ("filtered", "events that the filter excluded"),
    ("aggregated only", "events that are in all counts, but not in pages, threads and the log"),
    ("evicted", "dropped to stay within a memory bound"),
    ("interrupted", "the kernel called no programs for a time: kernel.ftrace_enabled was 0"),
    ("·21", "in a matrix: no events; 21 is the distance of the nodes, as the firmware reports it"),
    ("~  ?", "~ estimated, ? unavailable: this kernel does not show it. Neither is shown as 0"),
];

/// What may be typed into a prompt, and how it ends.
pub(super) const fn of_prompt(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Filter => "such as kind == fault && nid != cpu_node; enter applies it, empty shows all, esc cancels",
        Purpose::Search => "only rows that contain this text; enter keeps it, esc shows all",
        Purpose::Page => "the address of a page, such as 0x7f12a4000000; enter opens it, esc cancels",
    }
}

pub(super) fn lines(app: &App) -> Vec<Line> {
    let mut lines = vec![heading("views")];
    for view in View::ALL {
        let number = format!("{:>10}  ", app.keymap.name_of_view(view).unwrap_or_default());
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
            lines.push(line![Tone::Key.paint(format!("{:>22}  ", keys.join(" "))), action.description()]);
        }
    }
    lines.push(line![
        Tone::Dim.paint(format!("{:>22}  ", "mouse")),
        "click a view, a column, a row or a key; the wheel scrolls",
    ]);
    lines.push(Line::new());
    lines.push(heading("words"));
    lines.extend(WORDS.map(|(word, meaning)| line![Tone::Strong.paint(format!("{word:>15}  ")), meaning]));
    lines.push(Line::new());
    lines.push(heading("colours"));
    let colours = [
        (Tone::Remote, "remote, misplaced"),
        (Tone::Good, "migrated; live; exact"),
        (Tone::Warn, "marked; estimated; paused"),
        (Tone::Bad, "lost, failed"),
        (Tone::Dim, "zero, unavailable, of minor interest"),
    ];
    lines.extend(colours.map(|(tone, meaning)| line![tone.paint("             ■ "), meaning]));
    lines.push(Line::new());
    lines.push(heading("columns of Processes"));
    lines.extend(columns(&Processes::of(app, false)));
    lines.push(Line::new());
    lines.push(heading("columns of Regions"));
    lines.extend(columns(&Regions::of(app)));
    lines.push(Line::new());
    lines.push(heading("columns of Nodes"));
    lines.extend(columns(&Nodes::of(app)));
    lines.push(Line::new());
    let file = "keys, theme and ascii are set in $XDG_CONFIG_HOME/migtrace/config.toml (docs/top.md)";
    lines.push(line![Tone::Dim.paint(file)]);
    lines
}

fn columns(table: &dyn Table) -> impl Iterator<Item = Line> {
    table.columns().iter().map(|column| line![Tone::Strong.paint(format!("{:>15}  ", column.title)), column.help])
}

fn heading(text: &str) -> Line {
    line![Tone::Heading.paint(text)]
}
