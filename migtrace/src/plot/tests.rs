//! Timelines of literal recordings, drawn to files.

use std::fs;

use super::{PlotError, timeline, timeline::Timeline};
use crate::{event::Event, model::Run, recording::Meta, testkit};

fn run((meta, events): (Meta, Vec<Event>)) -> Run {
    Run::new(meta, events)
}

#[test]
fn a_page_is_marked_and_migrates_once() {
    let lazy = Timeline::new(&run(testkit::lazy(8, [1])), "lazy").expect("a request");
    let of_second: Vec<_> = lazy.placements.iter().filter(|s| s.page == 1).map(|s| (s.nid, s.mapped)).collect();
    assert_eq!(of_second, [(Some(1), true), (Some(1), false), (Some(2), false), (Some(2), true)]);
    assert_eq!((lazy.pages, lazy.faults.len(), lazy.migrations.len()), (8, 1, 1));
}

#[test]
fn svg_and_png_are_drawn_without_a_font_of_the_system() {
    let (direct, lazy) = (run(testkit::direct(8)), run(testkit::lazy(8, 0..8)));
    let dir = tempfile::tempdir().expect("a directory");
    let svg = dir.path().join("both.svg");
    timeline(&[("direct", &direct), ("lazy", &lazy)], &svg).expect("drawn");
    let text = fs::read_to_string(&svg).expect("written");
    for word in [
        "page 8",
        "on node 2",
        "migrating to node 2",
        "in page faults",
        "direct: mbind(bind, node 2, move)",
        "lazy: mbind(bind, node 2, move + lazy)",
    ] {
        assert!(text.contains(word), "{word}");
    }
    let png = dir.path().join("one.PNG");
    timeline(&[("lazy", &lazy)], &png).expect("drawn");
    assert_eq!(&fs::read(&png).expect("written")[..8], b"\x89PNG\r\n\x1a\n");
}

#[test]
fn many_pages_are_drawn_too() {
    let many = run(testkit::lazy(3000, (0..3000).step_by(7)));
    let dir = tempfile::tempdir().expect("a directory");
    timeline(&[("many", &many)], &dir.path().join("many.svg")).expect("drawn");
}

#[test]
fn a_plot_without_content_or_format_is_an_error() {
    let direct = run(testkit::direct(8));
    assert!(matches!(timeline(&[("direct", &direct)], "x.jpg".as_ref()), Err(PlotError::Ending)));
    let empty = run((Meta::default(), Vec::new()));
    let error = timeline(&[("empty", &empty)], "x.svg".as_ref()).expect_err("nothing to draw");
    assert_eq!(error.to_string(), "empty has no syscall that migrates a range of pages: nothing to draw");
}

#[test]
fn a_map_is_drawn_with_a_lane_for_each_place() {
    let dir = tempfile::tempdir().expect("a directory");
    let svg = dir.path().join("map.svg");
    super::map(&crate::map::tests::two_nodes(), &svg).expect("drawn");
    let text = fs::read_to_string(&svg).expect("written");
    for word in
        ["node 0", "node 1", "swap", "zero", "redis (process 4711): 1615 pages, 520 remote", "519 off", "anon, bind:0"]
    {
        assert!(text.contains(word), "{word}");
    }
    let mut empty = crate::map::tests::two_nodes();
    empty.regions.clear();
    let error = super::map(&empty, &svg).expect_err("nothing to draw");
    assert!(matches!(error, PlotError::NoPages), "{error}");
}
