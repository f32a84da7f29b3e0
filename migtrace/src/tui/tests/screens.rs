//! Each view at 80x24, 120x40 and 200x60: empty, full, with loss, with fields that the source cannot show.

use super::{App, START_NS, View, live, poor, press, screen, testkit, themed, whole};
use crate::{
    counts::{Count, Counts, Sort},
    event::{Body, Cause, Comm, Event, FaultClass, NodeFacts, NumaPages, Outcome, Probe},
    recording::{Meta, coverage},
    tui::view::theme::{Palette, Theme},
};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

/// All views of one state, at one size.
fn all(name: &str, make: impl Fn() -> App) {
    for (columns, rows) in SIZES {
        let mut text = String::new();
        for view in View::ALL {
            let mut app = make();
            let screen = screen(&mut app, view, (columns, rows));
            assert_eq!(screen.lines().count(), usize::from(rows));
            text += &screen;
            text += &format!("{}\n", "=".repeat(usize::from(columns)));
        }
        insta::assert_snapshot!(format!("{name}_{columns}x{rows}"), text);
    }
}

/// A process and a page are open.
fn opened(mut app: App) -> App {
    press(&mut app, "2 enter");
    press(&mut app, "4 enter");
    app
}

#[test]
fn nothing_yet() {
    let (meta, _) = testkit::direct(8);
    all("nothing_yet", || live((meta.clone(), Vec::new())));
}

#[test]
fn a_lazy_run() {
    all("a_lazy_run", || opened(whole(testkit::lazy(64, (0..64).filter(|page| page % 3 > 0)))));
}

#[test]
fn a_direct_run_live() {
    all("a_direct_run_live", || live(testkit::direct(8)));
}

#[test]
fn nodes_are_shown_with_what_they_lack() {
    let (meta, mut events) = testkit::direct(8);
    let facts = |nid, cpus: &str, mem_bytes, miss| NodeFacts {
        nid,
        cpus: Some(cpus.into()),
        mem_bytes: Some(mem_bytes),
        free_bytes: Some(mem_bytes / 2),
        pages: NumaPages { miss: Some(miss), ..NumaPages::default() },
        ..NodeFacts::default()
    };
    let last_ns = events.last().expect("an event").ts_ns;
    for (second, miss) in [(1, 0), (2, 500)] {
        let nodes = [facts(1, "1", 1 << 30, 0), facts(2, "", 1 << 30, miss), facts(3, "", 0, 0)];
        let event = |facts| Event::at(last_ns + second * 1_000_000_000, Body::Node(Box::new(facts)));
        events.extend(nodes.map(event));
    }
    let screen = screen(&mut live((meta, events)), View::Overview, (120, 40));
    let line = "nodes     n1 512 MiB free  n2 512 MiB free, no CPUs, misses 500/s  n3 neither CPUs nor memory";
    assert!(screen.contains(line), "{screen}");
    let has = |label: &str| screen.lines().any(|line| line.starts_with(label));
    assert!(has("n1 ") && !has("n1 mem") && has("n2 mem") && has("n3 -"), "{screen}");
}

#[test]
fn latency_shows_who_waited_for_whose_migrations() {
    let make = || whole(testkit::waits());
    for (columns, rows) in SIZES {
        let screen = screen(&mut make(), View::Latency, (columns, rows));
        insta::assert_snapshot!(format!("waits_{columns}x{rows}"), screen);
    }
    // Both sides of one wait are known, and the kernel counted three more.
    let (meta, events) = testkit::waits();
    let mut app = live((meta, Vec::new()));
    app.count(Counts::default(), START_NS);
    app.feed(&testkit::waited(&events));
    let wait = Sort::Fault {
        class: Some(FaultClass::MigrationWait),
        major: Some(false),
        result: Some("retry".into()),
        cpu_nid: Some(1),
        nid: None,
        wait_cause: Some(Cause::Compaction),
    };
    let mut count = Count { events: 4, pages: 4, ..Count::default() };
    (0..4).for_each(|_| count.times.count(70_000));
    app.count(Counts { sorts: [(wait, count)].into(), ..Counts::default() }, START_NS + 1);
    let text = screen(&mut app, View::Latency, (80, 24));
    assert!(text.contains("3 further waits are in no row") && text.contains("kcompactd0 40"), "{text}");
    // The other three came too fast to be counted otherwise.
    (0..3).for_each(|_| app.lose(&testkit::waited(&events)));
    let text = screen(&mut app, View::Latency, (80, 24));
    assert!(!text.contains("in no row") && text.contains("280 µs"), "{text}");
}

#[test]
fn with_loss() {
    all("with_loss", || whole(testkit::lossy()));
}

#[test]
fn every_view_says_what_the_kernel_left_out() {
    let (mut meta, events) = testkit::direct(8);
    for account in meta.account.iter_mut().filter(|account| account.probe == Probe::Fault) {
        account.missed = Some(32);
    }
    let mut app = whole((meta, events));
    for view in View::ALL {
        let text = screen(&mut app, view, (80, 24));
        assert!(text.lines().next().is_some_and(|line| line.contains("missed 32")), "{text}");
    }
    assert!(screen(&mut app, View::Overview, (120, 40)).contains("32 program runs missed"));
    assert!(!screen(&mut whole(testkit::direct(8)), View::Overview, (80, 24)).contains("missed"));
}

#[test]
fn probes_shows_the_events_that_are_only_in_the_kernels_counts() {
    let (meta, _) = testkit::direct(8);
    let mut app = live((meta, Vec::new()));
    app.count(Counts::default(), START_NS);
    let mark = Sort::Mark { result: Outcome::Ok, reason: None, nid: Some(1) };
    let count = Count { events: 1500, pages: 1500, ..Count::default() };
    app.count(Counts { sorts: [(mark, count)].into(), ..Counts::default() }, START_NS + 1);
    let text = screen(&mut app, View::Probes, (80, 24));
    assert!(text.contains("  aggregated only 1.50k"), "{text}");
}

#[test]
fn every_view_says_that_the_kernel_stopped_calling_programs() {
    let (mut meta, events) = testkit::direct(8);
    coverage::mark_interrupted(&mut meta.probes);
    let mut recorded = whole((meta, events));
    let mut live = whole(testkit::direct(8));
    assert!(!screen(&mut live, View::Overview, (80, 24)).contains("interrupted"));
    live.silenced = true;
    for app in [&mut recorded, &mut live] {
        for view in View::ALL {
            let text = screen(app, view, (80, 24));
            assert!(text.lines().next().is_some_and(|line| line.contains("interrupted")), "{text}");
        }
        assert!(screen(app, View::Overview, (120, 40)).contains("kernel.ftrace_enabled was 0 for a time"));
    }
}

#[test]
fn with_fields_unavailable() {
    all("with_fields_unavailable", || opened(live(poor())));
}

#[test]
fn a_terminal_that_is_too_small_says_so() {
    let mut app = whole(testkit::direct(8));
    let text = screen(&mut app, View::Overview, (40, 10));
    assert!(text.contains("40x10") && text.contains("60x16"), "{text}");
    for (columns, rows) in [(1, 1), (2, 3), (60, 16), (61, 17), (500, 200)] {
        for view in View::ALL {
            screen(&mut app, view, (columns, rows));
        }
    }
}

#[test]
fn ascii_is_ascii() {
    let mut app = opened(whole(testkit::lazy(8, 0..8)));
    let theme = Theme { palette: Palette::None, ascii: true };
    for view in View::ALL {
        let text = themed(&mut app, theme, view, (120, 40));
        let other: String = text.chars().filter(|c| !c.is_ascii()).collect();
        assert!(other.is_empty(), "{view:?}: {other}");
    }
}

#[test]
fn a_name_cannot_drive_the_terminal() {
    let evil = "x\u{1b}[2J\u{9b}31m\n";
    let (mut meta, mut events) = testkit::lazy(8, 0..8);
    meta.hostname = evil.into();
    meta.kernel_release = evil.into();
    meta.probes[0].attached = Some(evil.into());
    meta.probes[1].error = Some(evil.into());
    meta.cgroups.insert(1, evil.into());
    for event in &mut events {
        event.comm = Comm::from(evil);
        match &mut event.body {
            Body::Phase(p) => p.text = evil.into(),
            Body::Fault(f) => f.result = Some(evil.into()),
            Body::Mark(m) => m.reason = Some(evil.into()),
            Body::Migrate(m) => m.reason = Some(evil.into()),
            _ => {}
        }
    }
    let loss = crate::event::Loss { probe: evil.into(), cause: evil.into(), count: 1 };
    let mut last = events[events.len() - 1].clone();
    last.body = Body::Loss(loss);
    events.push(last);
    let mut app = opened(whole((meta, events)));
    app.filter_text = evil.into();
    for view in View::ALL {
        let text = screen(&mut app, view, (200, 60));
        let control: Vec<char> = text.chars().filter(|c| c.is_control() && *c != '\n').collect();
        assert!(control.is_empty(), "{view:?}: {control:?}");
        assert_eq!(text.lines().count(), 60, "{view:?}");
    }
}

#[test]
fn the_bars_cover_all_of_a_recording_of_any_length_and_their_title_says_how_long_it_is() {
    const MS: u64 = 1_000_000;
    for (length_ns, says) in [(10 * MS, "10.0 ms"), (800 * MS, "800 ms"), (10_800_000 * MS, "10800 s")] {
        // Also a recording that was cut off, which does not know its end.
        for end_ns in [Some(START_NS + length_ns), None] {
            let (meta, events) = testkit::direct(8);
            let first = events.iter().find(|e| matches!(e.body, Body::Fault(_))).expect("a fault").clone();
            let at = |ts_ns| crate::event::Event { ts_ns, ..first.clone() };
            let ends = [at(START_NS + length_ns / 1000), at(START_NS + length_ns - 1)];
            let mut app = whole((Meta { end_ns, ..meta }, ends.to_vec()));
            for size in SIZES {
                let screen = screen(&mut app, View::Overview, size);
                let line = |start: &str| {
                    screen.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{screen}"))
                };
                let title = line("─ mean per second; bars: the whole recording, ");
                assert!(title.contains(says), "{title}");
                let bars: String = line("faults ").chars().skip(24).take(usize::from(size.0) - 59).collect();
                assert!(bars.starts_with(|c| c != ' ') && bars.ends_with(|c| c != ' '), "{bars:?} in {screen}");
            }
        }
    }
}

#[test]
fn wide_and_combining_characters_in_names_keep_columns_in_place() {
    let (meta, mut events) = testkit::direct(8);
    events.iter_mut().for_each(|e| e.comm = Comm::from("日e\u{301}語"));
    let mut app = whole((meta, events));
    let screen = screen(&mut app, View::Processes, (80, 24));
    let width = |text: &str| unicode_width::UnicodeWidthStr::width(text);
    let line = |part: &str| screen.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{screen}"));
    let (head, row) = (line("FAULTS"), line("日"));
    assert!(row.contains("日e語 (exited)"), "{row}");
    // The last column is aligned to the right.
    assert_eq!(width(head.trim_end()), width(row), "{screen}");
}
