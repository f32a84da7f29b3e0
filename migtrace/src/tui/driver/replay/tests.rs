//! A recording of literal events, played from a file.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use super::*;
use crate::{testkit, trace::Writer};

/// A recording in a file, and its events.
fn recorded() -> (tempfile::TempDir, PathBuf, Vec<Event>) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("run.parquet");
    let (meta, events) = testkit::lazy(64, 0..64);
    let mut writer = Writer::create(&path, &meta).expect("a trace");
    events.iter().for_each(|e| writer.push(e).expect("written"));
    writer.finish(&meta).expect("closed");
    (dir, path, events)
}

fn replay(path: &Path) -> Replay {
    let trace = Trace::open(path).expect("a trace");
    Replay::start(path.to_owned(), "run.parquet".into(), trace, Filter::all())
}

/// Whether nothing comes before a control or a tick changes that.
fn is_idle(replay: &Replay) -> bool {
    let waits = |until| replay.held.first().is_some_and(|e| e.ts_ns > until);
    replay.playing.ended || (replay.hurry_to_ns.is_none() && replay.until_ns().is_none_or(waits))
}

/// All that comes before nothing more does, however slowly the thread reads.
async fn rest(replay: &mut Replay) -> Vec<Event> {
    let mut all = Vec::new();
    let began = Instant::now();
    while !is_idle(replay) {
        match tokio::time::timeout(Duration::from_millis(20), replay.next()).await {
            Ok(events) => all.extend(events.into_iter().flatten()),
            Err(_) => assert!(began.elapsed() < Duration::from_secs(60), "the reader hangs"),
        }
    }
    all
}

#[tokio::test]
async fn all_is_read_first_and_can_be_played_again() {
    let (_dir, path, events) = recorded();
    let mut replay = replay(&path);
    assert_eq!(rest(&mut replay).await, events);
    assert!(replay.playing.ended);
    assert_eq!(replay.control(Control::TogglePlay), Controlled::Restarted);
    replay.control(Control::ChangeSpeed(0.5));
    assert_eq!(replay.playing.speed, Some(0.5));
    replay.tick(1_000_000_000);
    assert!(rest(&mut replay).await.is_empty(), "no time has passed");
    let half_ns = (events[events.len() - 1].ts_ns - testkit::START_NS) / 2;
    replay.tick(1_000_000_000 + half_ns * 2);
    let played = rest(&mut replay).await;
    let until = testkit::START_NS + half_ns;
    assert_eq!(played.len(), events.iter().filter(|e| e.ts_ns <= until).count());
}

#[tokio::test]
async fn to_an_earlier_time_it_is_read_from_its_start() {
    let (_dir, path, events) = recorded();
    let mut replay = replay(&path);
    rest(&mut replay).await;
    let to = events[40].ts_ns;
    assert_eq!(replay.control(Control::Seek(to)), Controlled::Restarted);
    let before = rest(&mut replay).await;
    assert_eq!(before.len(), events.iter().filter(|e| e.ts_ns <= to).count());
    assert!(replay.playing.paused && !replay.playing.ended);
    let on = events[80].ts_ns;
    assert_eq!(replay.control(Control::Seek(on)), Controlled::GoOn);
    let next = rest(&mut replay).await;
    assert_eq!(before.len() + next.len(), events.iter().filter(|e| e.ts_ns <= on).count());
    assert_eq!(replay.control(Control::Seek(u64::MAX)), Controlled::GoOn);
    assert_eq!(before.len() + next.len() + rest(&mut replay).await.len(), events.len());
}

#[tokio::test]
async fn a_file_that_is_gone_is_said() {
    let (dir, path, _) = recorded();
    let mut replay = replay(&path);
    rest(&mut replay).await;
    drop(dir);
    replay.control(Control::ReadAgain);
    assert!(rest(&mut replay).await.is_empty());
    assert!(replay.playing.error.is_some());
}
