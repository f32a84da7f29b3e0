//! The screen as text, of literal recordings at fixed sizes; and keys.

mod keys;
mod nodes;
mod process_details;
mod screens;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{
    driver::{input, save},
    state::{
        action::View,
        app::App,
        effect::Effect,
        keymap::Keymap,
        session::{Playing, Source},
    },
    view::theme::Theme,
};
use crate::{
    event::{Event, Probe},
    recording::Meta,
    testkit::{self, START_NS},
};

/// A screen over a recording that was read to its end.
fn whole((mut meta, events): (Meta, Vec<Event>)) -> App {
    meta.machine = None;
    let playing = Playing {
        name: "run.parquet".to_owned(),
        events: events.len() as u64,
        events_read: events.len() as u64,
        start_ns: START_NS,
        end_ns: meta.end_ns,
        position_ns: meta.end_ns.unwrap_or(0),
        ended: true,
        ..Playing::default()
    };
    let mut app = App::new(meta, Source::Recording(playing), Keymap::default(), (80, 24));
    events.iter().for_each(|e| app.feed(e));
    app.tick(1);
    app
}

/// A live screen, after these events.
fn live((meta, events): (Meta, Vec<Event>)) -> App {
    let meta = Meta { end_ns: None, account: Vec::new(), command: Vec::new(), ..meta };
    let mut app = App::new(meta, Source::Live, Keymap::default(), (80, 24));
    events.iter().for_each(|e| app.feed(e));
    let end_ns = events.last().map_or(START_NS, |e| e.ts_ns);
    app.tick(end_ns + 2_000_000_000);
    app
}

/// A source that shows page faults by address only, as a kernel does that has no more.
fn poor() -> (Meta, Vec<Event>) {
    use crate::event::{Body, Fault};
    let (mut meta, mut events) = testkit::direct(8);
    events.retain(|e| matches!(e.body, Body::Fault(_) | Body::Task(_)));
    for event in &mut events {
        if let Body::Fault(f) = &mut event.body {
            *f =
                Fault { class: None, major: None, nid: None, order: None, latency_ns: None, result: None, ..f.clone() };
        }
    }
    let fault = meta.probes[0].clone();
    for field in ["class", "nid", "latency_ns", "region"] {
        let error = Some("the kernel shows the CPU's exception only".into());
        meta.probes.push(crate::recording::ProbeInfo {
            field: Some(field.into()),
            attached: None,
            error,
            fidelity: "unavailable".into(),
            ..fault.clone()
        });
    }
    for probe in meta.probes.iter_mut().filter(|p| p.probe != Probe::Fault && p.probe != Probe::Task) {
        (probe.attached, probe.error) = (None, Some("fentry: not supported by this kernel".into()));
        probe.fidelity = "unavailable".into();
    }
    (meta, events)
}

fn press(app: &mut App, keys: &str) -> Option<Effect> {
    let mut effect = None;
    for key in keys.split(' ') {
        let (code, modifiers) = match key {
            "enter" => (KeyCode::Enter, KeyModifiers::NONE),
            "esc" => (KeyCode::Esc, KeyModifiers::NONE),
            "space" => (KeyCode::Char(' '), KeyModifiers::NONE),
            "tab" => (KeyCode::Tab, KeyModifiers::NONE),
            key => match key.strip_prefix("ctrl-") {
                Some(c) => (KeyCode::Char(c.chars().next().unwrap_or(' ')), KeyModifiers::CONTROL),
                None => (KeyCode::Char(key.chars().next().unwrap_or(' ')), KeyModifiers::NONE),
            },
        };
        effect = input::key(app, KeyEvent::new(code, modifiers));
    }
    effect
}

fn typed(app: &mut App, text: &str) {
    for c in text.chars() {
        input::key(app, KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
    }
}

/// The screen of a view, as text.
fn screen(app: &mut App, view: View, size: (u16, u16)) -> String {
    themed(app, Theme::default(), view, size)
}

fn themed(app: &mut App, theme: Theme, view: View, (columns, rows): (u16, u16)) -> String {
    app.resize(columns, rows);
    press(app, &app.keymap.name_of_view(view).expect("each view has a key"));
    app.tick(app.tick_ns + 2_000_000_000);
    app.refresh();
    save::text_of(app, theme, columns, rows)
}
