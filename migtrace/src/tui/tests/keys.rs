//! What keys and the mouse do.

use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use super::{
    App, Effect, Keymap, Playing, Source, Theme, View, input, live, press, save, screen, testkit, typed, whole,
};
use crate::{recording::Meta, testkit::PID, tui::rows::of_view};

fn click(app: &mut App, column: u16, row: u16) -> Option<Effect> {
    let kind = MouseEventKind::Down(MouseButton::Left);
    input::mouse(app, MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
}

/// Where a text stands on the screen.
fn place(app: &mut App, view: View, text: &str) -> (u16, u16) {
    let screen = screen(app, view, (120, 40));
    let (row, line) = screen.lines().enumerate().find(|(_, line)| line.contains(text)).expect("it is there");
    let before = line.split(text).next().unwrap_or_default();
    (before.chars().count() as u16, row as u16)
}

#[test]
fn views_have_numbers_and_turn_round() {
    let mut app = whole(testkit::direct(8));
    press(&mut app, "6");
    assert_eq!(app.view, View::Latency);
    press(&mut app, "9");
    assert_eq!(app.view, View::Nodes);
    press(&mut app, "tab tab");
    assert_eq!(app.view, View::Overview);
    press(&mut app, "2 7 esc");
    assert_eq!(app.view, View::Processes);
    assert_eq!(press(&mut app, "q"), Some(Effect::Quit));
    assert_eq!(press(&mut app, "ctrl-z"), Some(Effect::Suspend));
}

#[test]
fn enter_goes_from_process_to_region_to_page() {
    let mut app = live(testkit::direct(8));
    assert_eq!(press(&mut app, "2 enter"), Some(Effect::ReadNumaMaps(PID)));
    assert_eq!((app.view, app.process.map(|id| id.pid)), (View::Regions, Some(PID)));
    press(&mut app, "enter");
    assert_eq!(app.view, View::Page);
    assert!(app.page.is_some());
    press(&mut app, "esc esc");
    assert_eq!(app.view, View::Processes);
}

#[test]
fn regions_are_of_the_process_that_is_chosen_until_one_is_opened() {
    let mut app = live(testkit::direct(8));
    assert_eq!(press(&mut app, "3"), Some(Effect::ReadNumaMaps(PID)));
    assert_eq!((app.view, app.process.map(|id| id.pid)), (View::Regions, Some(PID)));
    let mut empty = App::new(Meta::default(), Source::Live, Keymap::default(), (80, 24));
    assert_eq!((press(&mut empty, "3"), empty.process), (None, None));
}

#[test]
fn a_page_is_opened_by_its_address() {
    let mut app = whole(testkit::lazy(8, 0..8));
    press(&mut app, "a");
    typed(&mut app, "0x7f12a4003010");
    press(&mut app, "enter");
    let text = screen(&mut app, View::Page, (120, 40));
    assert!(text.contains("migrated from node 1 to node 2"), "{text}");
    press(&mut app, "a x enter");
    assert!(app.prompt.as_ref().is_some_and(|p| p.error.is_some()), "that is no address");
}

#[test]
fn a_filter_counts_from_the_start_again() {
    let mut app = whole(testkit::direct(8));
    press(&mut app, "/");
    typed(&mut app, "kind == migrate");
    assert_eq!(press(&mut app, "enter"), Some(Effect::ReadAgain));
    let (_, events) = testkit::direct(8);
    events.iter().for_each(|e| app.feed(e));
    assert_eq!((app.state.totals.moved_pages, app.state.totals.faults), (8, 0));
    assert_eq!(app.not_counted.filtered, events.len() as u64 - 8);
    press(&mut app, "/ x enter");
    assert!(app.prompt.as_ref().is_some_and(|p| p.error.is_some()), "that is no expression");
    press(&mut app, "esc");
    assert_eq!(app.filter_text, "kind == migrate", "the one before stays");
}

#[test]
fn a_search_narrows_while_it_is_typed() {
    let mut app = whole(testkit::direct(8));
    press(&mut app, "6 f");
    typed(&mut app, "MBIND");
    let text = screen_now(&mut app);
    assert!(text.contains("syscall mbind") && !text.contains("fault   anon"), "{text}");
    press(&mut app, "enter esc");
    assert!(screen_now(&mut app).contains("fault   anon"));
}

#[test]
fn a_search_ends_where_what_it_found_is_opened() {
    let mut app = whole(testkit::direct(8));
    press(&mut app, "2 f");
    typed(&mut app, "toy");
    press(&mut app, "enter enter");
    let text = screen_now(&mut app);
    assert!(text.contains("START") && !text.contains("rows that contain"), "{text}");
}

fn screen_now(app: &mut App) -> String {
    let (columns, rows) = app.size;
    save::text_of(app, Theme::default(), columns, rows)
}

#[test]
fn a_paused_screen_stays_while_counting_goes_on() {
    let mut app = live(testkit::direct(8));
    let before = screen(&mut app, View::Overview, (80, 24));
    press(&mut app, "space");
    let (_, events) = testkit::direct(8);
    events.iter().for_each(|e| app.feed(e));
    let held = screen(&mut app, View::Overview, (80, 24));
    assert!(held.contains("PAUSED"), "{held}");
    assert!(held.lines().skip(1).eq(before.lines().skip(1)), "{held}");
    assert_eq!(app.state.totals.moved_pages, 16);
    press(&mut app, "space");
    assert_eq!(app.shown().totals.moved_pages, 16);
}

#[test]
fn a_recording_is_played_and_sought() {
    let mut app = whole(testkit::direct(8));
    assert_eq!(press(&mut app, "space"), Some(Effect::TogglePlay));
    assert_eq!(press(&mut app, "+"), Some(Effect::ChangeSpeed(2.0)));
    let Source::Recording(Playing { start_ns, end_ns, .. }) = app.source.clone() else { panic!("a recording") };
    assert_eq!(press(&mut app, "0"), Some(Effect::Seek(start_ns)));
    assert_eq!(press(&mut app, "$"), Some(Effect::Seek(u64::MAX)));
    let Some(Effect::Seek(to)) = press(&mut app, "[") else { panic!("it seeks") };
    assert!((start_ns..end_ns.expect("it ended")).contains(&to));
    assert_eq!(press(&mut app, "r"), None, "a recording is not recorded");
    let mut app = live(testkit::direct(8));
    assert_eq!(press(&mut app, "["), None);
    assert_eq!(press(&mut app, "r"), Some(Effect::StartRecording));
}

#[test]
fn two_moments_are_compared() {
    let mut app = live(testkit::direct(8));
    press(&mut app, "m");
    let (_, mut events) = testkit::direct(8);
    let later = app.state.now_ns() + 1_000_000_000 - events[0].ts_ns;
    events.iter_mut().for_each(|e| e.ts_ns += later);
    events.iter().for_each(|e| app.feed(e));
    press(&mut app, "m");
    let text = screen(&mut app, View::Overview, (120, 40));
    assert!(text.contains("pages migrated 8 ") && text.contains("node 1 → 2: 8"), "{text}");
    press(&mut app, "m");
    assert!(!screen(&mut app, View::Overview, (120, 40)).contains("node 1 → 2: 8"));
}

#[test]
fn the_mouse_finds_views_columns_rows_and_keys() {
    let mut app = whole(testkit::direct(8));
    let (x, y) = place(&mut app, View::Overview, "6 Latency");
    click(&mut app, x, y);
    assert_eq!(app.view, View::Latency);
    let (x, y) = place(&mut app, View::Latency, "MEDIAN");
    click(&mut app, x, y);
    assert_eq!(app.choice(View::Latency).sort, Some((3, true)));
    click(&mut app, x, y);
    assert_eq!(app.choice(View::Latency).sort, Some((3, false)));
    let (x, y) = place(&mut app, View::Latency, "mbind remap");
    click(&mut app, x, y);
    let text = screen(&mut app, View::Latency, (120, 40));
    assert!(text.contains("stage mbind remap: how many took how long"), "{text}");
    let (x, y) = place(&mut app, View::Latency, "quit");
    assert_eq!(click(&mut app, x, y), Some(Effect::Quit));
}

#[test]
fn rows_are_walked_and_sorted() {
    let mut app = whole(testkit::direct(8));
    screen(&mut app, View::Probes, (80, 24));
    press(&mut app, "j j k G");
    let last = app.choice(View::Probes).selected;
    press(&mut app, "g");
    assert_ne!(app.choice(View::Probes).selected, last);
    press(&mut app, "s");
    assert_eq!(app.choice(View::Probes).sort, Some((1, false)));
    press(&mut app, "S R");
    assert_eq!(app.choice(View::Probes).sort, Some((0, true)));
}

#[test]
fn rows_are_saved_as_csv() {
    let mut app = whole(testkit::direct(8));
    press(&mut app, "2");
    assert_eq!(press(&mut app, "e"), Some(Effect::ExportCsv));
    let mut out = Vec::new();
    of_view::write_csv(&app, &mut out).expect("it has rows").expect("memory");
    let text = String::from_utf8(out).expect("text");
    assert!(text.starts_with("PID,NAME,RUNS ON,") && text.contains("\n213,memtoy,"), "{text}");
    assert_eq!(press(&mut app, "? e"), None, "help has no rows");
}

#[test]
fn help_scrolls_and_names_every_key() {
    let mut app = whole(testkit::direct(8));
    app.resize(120, 200);
    let text = screen(&mut app, View::Help, (120, 200));
    for said in ["start or stop a recording", "ctrl-z", "misplaced", "WAITED"] {
        assert!(text.contains(said), "{said}");
    }
    let top = screen(&mut app, View::Help, (80, 24));
    press(&mut app, "ctrl-d");
    assert_ne!(screen_now(&mut app), top);
    press(&mut app, "g");
    assert_eq!(screen_now(&mut app), top);
}
