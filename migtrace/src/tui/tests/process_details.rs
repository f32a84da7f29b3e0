//! Command lines, executables and parents of processes.

use super::{App, Theme, View, live, press, save, screen, testkit, typed, whole};
use crate::{
    event::{Event, ProcessId},
    recording::{Meta, ProcessDetails},
    testkit::PID,
    tui::rows::{json, of_view},
};

/// A recording of a process with a parent, and of that parent.
fn known() -> (Meta, Vec<Event>) {
    let (mut meta, mut events) = testkit::direct(8);
    let parent = Event { pid: 17, tid: 17, comm: "bash".into(), ..events[0].clone() };
    events.insert(0, parent);
    meta.processes = vec![details(&["memtoy", "--script", "a\u{1b}[2Jb\nc"])];
    (meta, events)
}

fn details(words: &[&str]) -> ProcessDetails {
    ProcessDetails {
        pid: PID,
        start_ns: None,
        parent_pid: Some(17),
        executable: Some("/usr/bin/memtoy\u{7} (deleted)".to_owned()),
        command_line: Some(words.iter().map(|word| (*word).to_owned()).collect()),
    }
}

fn csv(app: &App) -> String {
    let mut out = Vec::new();
    of_view::write_csv(app, &mut out).expect("rows").expect("written");
    String::from_utf8(out).expect("text")
}

/// The row of a process in CSV.
fn csv_row(app: &App, pid: u32) -> String {
    csv(app).lines().find(|line| line.starts_with(&format!("{pid},"))).expect("its row").to_owned()
}

#[test]
fn a_wide_screen_shows_command_lines_and_a_narrow_one_does_not() {
    let mut app = whole(known());
    let wide = screen(&mut app, View::Processes, (200, 24));
    let row = wide.lines().find(|line| line.contains("213 memtoy")).expect("its row");
    assert!(row.ends_with("memtoy --script a\\u{1b}[2Jb\\nc"), "{wide}");
    // Its details are unknown, and its cgroup is 1.
    assert!(wide.lines().any(|line| line.contains("17 bash") && line.ends_with("1                    ?")), "{wide}");
    for columns in [80, 120, 150] {
        let narrow = screen(&mut app, View::Processes, (columns, 24));
        assert!(!narrow.contains("COMMAND") && !narrow.contains("--script"), "{narrow}");
    }
}

#[test]
fn csv_and_json_have_command_lines_and_null_for_unknown_ones() {
    let mut app = whole(known());
    screen(&mut app, View::Processes, (80, 24));
    assert!(csv(&app).lines().next().is_some_and(|head| head.ends_with(",CGROUP,COMMAND")));
    assert!(csv_row(&app, PID).ends_with(",memtoy --script a\\u{1b}[2Jb\\nc"));
    assert!(csv_row(&app, 17).ends_with(",1,"));
    let rows = json::of(&app, 1)["rows"].clone();
    let command = |pid: u32| {
        let row = rows.as_array().expect("rows").iter().find(|row| row["PID"] == pid).expect("its row");
        row["COMMAND"].clone()
    };
    assert_eq!((command(PID), command(17)), ("memtoy --script a\\u{1b}[2Jb\\nc".into(), serde_json::Value::Null));
}

#[test]
fn a_search_finds_arguments_also_if_their_column_is_not_shown() {
    let mut app = whole(known());
    screen(&mut app, View::Processes, (80, 24));
    press(&mut app, "f");
    typed(&mut app, "--SCRIPT");
    let found = save::text_of(&app, Theme::default(), 80, 24);
    assert!(found.contains("213 memtoy") && !found.contains("17 bash"), "{found}");
}

#[test]
fn an_opened_process_shows_executable_command_line_and_parent() {
    let mut app = whole(known());
    screen(&mut app, View::Processes, (120, 24));
    app.process = Some(ProcessId { pid: PID, start_ns: None });
    let text = screen(&mut app, View::Regions, (120, 24));
    assert!(text.contains("─ memtoy/213, child of 17 (bash), exited ─"), "{text}");
    let line = "executable /usr/bin/memtoy\\u{7} (deleted)   command memtoy --script a\\u{1b}[2Jb\\nc";
    assert!(text.lines().any(|shown| shown == line), "{text}");
    // Each has a part of a narrow line.
    let long = "x".repeat(300);
    app.set_processes(&[ProcessDetails { executable: Some(format!("/{long}")), ..details(&["db", &long]) }], 0);
    let text = screen(&mut app, View::Regions, (80, 24));
    let line = text.lines().find(|line| line.starts_with("executable /xxx")).expect("the line");
    assert!(line.contains("x…   command db xxx") && line.ends_with("x…"), "{text}");
    assert_eq!(line.chars().count(), 80);
}

#[test]
fn what_is_unknown_has_no_text() {
    let mut app = whole(testkit::direct(8));
    let text = screen(&mut app, View::Processes, (200, 24));
    assert!(text.lines().any(|line| line.contains("213 memtoy") && line.ends_with(" ?")), "{text}");
    press(&mut app, "enter");
    let text = screen(&mut app, View::Regions, (80, 24));
    assert!(text.contains("─ memtoy/213, exited ─") && text.contains("executable ?   command ?"), "{text}");
    // Nothing that can be read.
    app.set_processes(&[ProcessDetails { executable: None, parent_pid: None, ..details(&["", " "]) }], 0);
    assert!(screen(&mut app, View::Regions, (80, 24)).contains("executable ?   command ?"));
    press(&mut app, "2");
    assert!(csv_row(&app, PID).ends_with(",1,"));
    // Without arguments, the executable is the command.
    app.set_processes(&[ProcessDetails { command_line: None, ..details(&[]) }], 0);
    assert!(csv_row(&app, PID).ends_with(",/usr/bin/memtoy\\u{7} (deleted)"));
    assert!(screen(&mut app, View::Regions, (120, 24)).contains("(deleted)   command ?"));
}

#[test]
fn a_live_screen_takes_details_later_and_says_how_many_it_lacks() {
    let mut app = live(testkit::direct(8));
    screen(&mut app, View::Processes, (200, 24));
    app.set_processes(&[details(&["memtoy", "later"])], 3);
    let text = screen(&mut app, View::Processes, (200, 24));
    assert!(text.lines().any(|line| line.ends_with("memtoy later")), "{text}");
    assert!(
        text.contains("evicted because there were too many: command lines and executables of 3 processes"),
        "{text}"
    );
    app.reset();
    assert!(app.details_of.get(ProcessId { pid: PID, start_ns: None }).is_some(), "counts begin again, not processes");
}
