//! Censuses: their pages against move_pages(2), and the events between two of them, which must explain every page that
//! changed its node.

use std::{path::Path, thread, time::Duration};

use migtrace::event::{Body, Census, Event, PagePlace};
use serde_json::Value as Json;

use crate::{
    holder::{Holder, move_pages},
    recorder::Recorder,
    support::{PAGE, Run, Script, migtrace, texts},
    workloads::Balancing,
};

const PAGES: usize = 48;

/// A task writes pages on one node, and reads them from another.
const NUMA_BALANCING: &str = "mpol default\nanon seg 64p\nmap seg\nmbind seg default\ncpu 1\ntouch seg write\nsleep 700\ncpu 2\nloop 2000 seg\nsleep 700\n";

/// The part `census` of a summary.
fn census(trace: &Path, options: &[&str]) -> Json {
    let output = migtrace().args(["summary", "--json"]).args(options).arg(trace).output().unwrap();
    let (stdout, stderr) = texts(&output);
    assert!(output.status.success(), "{stderr}");
    let json: Json = serde_json::from_str(&stdout).unwrap();
    json["census"].clone()
}

/// Asserts that events explain every page of a recording that changed its node, unless the recording lacks such events.
pub(crate) fn assert_explained(trace: &Path) {
    let books = census(trace, &[]);
    let is_complete = books["incomplete"].as_array().is_some_and(Vec::is_empty);
    eprintln!(
        "census: {} compared, {} unexplained of {} pages, {}",
        books["compared"], books["unexplained"], books["pages"], books["incomplete"]
    );
    assert!(!is_complete || books["unexplained"] == 0, "{books:#}");
}

impl Run {
    fn censuses(&self) -> impl Iterator<Item = (&Event, &Census)> {
        self.events.iter().filter_map(|event| match &event.body {
            Body::Census(census) => Some((event, &**census)),
            _ => None,
        })
    }

    /// Returns the nodes of pages in the first or the last census; -1 for a page that is not on a node.
    fn nodes_at(&self, ts_ns: u64, pages: impl Iterator<Item = u64>) -> Vec<i32> {
        let rows: Vec<_> = self.censuses().filter(|(event, _)| event.ts_ns == ts_ns).collect();
        let node = |page: u64| {
            let holds = |c: &Census| (c.addr..c.addr + c.pages * PAGE).contains(&page);
            let (_, row) = rows.iter().find(|(_, census)| holds(census)).unwrap();
            row.place.and_then(PagePlace::nid).unwrap_or(-1)
        };
        pages.map(node).collect()
    }

    /// Returns the ends of the censuses.
    fn census_times(&self) -> Vec<u64> {
        let mut times: Vec<_> = self.censuses().map(|(event, _)| event.ts_ns).collect();
        times.dedup();
        times
    }
}

#[test]
fn pages_that_another_process_moves_are_explained_by_events_and_not_without_them() {
    let holder = Holder::of(PAGES, 1);
    let pid = holder.pid().to_string();
    let recorder = Recorder::attached(&["--census", "--pid", &pid]);
    // The first census takes some milliseconds.
    thread::sleep(Duration::from_secs(2));
    holder.move_to(2);
    let some: Vec<_> = holder.pages().take(PAGES / 3).collect();
    assert_eq!(move_pages(holder.pid(), &some, 3), vec![3; PAGES / 3]);
    recorder.signal(libc::SIGINT);
    let run = recorder.finish();
    run.assert_lossless();
    let times = run.census_times();
    assert_eq!(times.len(), 2, "one at the start, one at the end");
    assert_eq!(run.nodes_at(times[0], holder.pages()), vec![1; PAGES]);
    assert_eq!(run.nodes_at(times[1], holder.pages()), holder.nodes());
    assert!(run.censuses().all(|(event, _)| event.pid == holder.pid() && event.comm == "migtrace".into()));
    let trace = &run.ended.trace;
    let all = census(trace, &[]);
    assert_eq!((&all["unexplained"], &all["compared"], &all["first"]), (&0.into(), &1.into(), &1.into()), "{all}");
    assert_eq!(all["incomplete"], Json::Array(Vec::new()), "{all}");
    assert!(all["pages"].as_u64().unwrap() > PAGES as u64, "{all}");
    let hidden = census(trace, &["--filter", "kind != migrate"]);
    assert_eq!(hidden["unexplained"], PAGES, "{hidden}");
    assert_eq!(hidden["incomplete"], serde_json::json!(["migrations were not recorded"]));
    let moved: Vec<_> =
        hidden["regions"].as_array().unwrap().iter().filter(|r| r["difference"] == "unexplained").collect();
    let number = |json: &Json| json.as_u64().unwrap();
    let of = |r: &&Json| ["expected_nid", "found_nid", "pages", "addr"].map(|field| number(&r[field]));
    let moved: Vec<_> = moved.iter().map(of).collect();
    let first: Vec<_> = holder.pages().collect();
    let third = PAGES / 3;
    let expected = [[1, 2, (PAGES - third) as u64, first[third]], [1, 3, third as u64, first[0]]];
    assert_eq!(moved, expected);
    let output = migtrace().args(["map", "--json", "--runs"]).arg(trace).output().unwrap();
    let (stdout, stderr) = texts(&output);
    assert!(output.status.success(), "{stderr}");
    let [map, changes] = [0, 1].map(|n| serde_json::from_str::<Json>(stdout.lines().nth(n).unwrap()).unwrap());
    let regions = map["regions"].as_array().unwrap();
    let region = regions.iter().find(|r| r["runs"].as_array().is_some_and(|runs| runs[0]["addr"] == first[0])).unwrap();
    let runs: Vec<_> = region["runs"].as_array().unwrap().iter().map(|run| (&run["nid"], &run["pages"])).collect();
    let (three, two) = ((Json::from(3), Json::from(third)), (Json::from(2), Json::from(PAGES - third)));
    assert_eq!(runs, [(&three.0, &three.1), (&two.0, &two.1)], "{region}");
    let steps = changes["changes"].as_array().unwrap().iter().filter(|step| step["from_nid"] == 1);
    let steps: Vec<_> = steps.map(|step| ["to_nid", "pages"].map(|field| number(&step[field]))).collect();
    assert_eq!(steps, [[2, (PAGES - third) as u64], [3, third as u64]], "{changes}");
    // One migration that no event shows.
    let one = format!("kind != migrate || addr != {:#x} || dst_nid != 3", first[4]);
    let hidden = census(trace, &["--filter", &one]);
    assert_eq!(hidden["unexplained"], 1, "{hidden}");
    let output = migtrace().arg("summary").arg(trace).output().unwrap();
    let text = texts(&output).0;
    assert!(text.contains("census: unexplained: 0 of "), "{text}");
}

/// A command has a census after its exec, and one before its exit. It touches pages, and has them migrated by mbind(2) and move_pages(2).
#[test]
fn what_a_command_touches_and_migrates_is_explained() {
    let script = Script::new(
        "anon seg 64p\nmap seg\nmbind seg bind 1\ntouch seg write\n\
         mbind seg bind+move 2\nmove seg 0 16p to 3\nanon more 32p\nmap more\ntouch more write\n\
         anon zeros 8p\nmap zeros\ntouch zeros read\nsleep 2500\n",
    );
    let run = Recorder::start(&["--census-every", "200ms"], &script.argv()).finish();
    run.assert_lossless();
    assert!(run.census_times().len() > 2, "one after its exec, one before its exit, and one between");
    // The recorder has no right to see frames by then.
    let zeros = run.censuses().filter(|(_, census)| census.place == Some(PagePlace::Zero));
    assert!(zeros.map(|(_, census)| census.pages).max() >= Some(8), "pages that were only read");
    let all = census(&run.ended.trace, &[]);
    let [unexplained, dropped, first, compared] =
        ["unexplained", "dropped", "first", "compared"].map(|field| all[field].as_u64().unwrap());
    assert_eq!((unexplained, dropped, first), (0, 0, 1), "{all}");
    assert!(compared > 1, "{all}");
    assert!(all["pages"].as_u64().unwrap() > 96, "{all}");
    // Anonymous memory is mapped by its own faults: only neighbours of a file's page appear without one.
    let appeared = all["regions"].as_array().unwrap().iter().filter(|r| r["difference"] == "appeared");
    let anon: Vec<_> = appeared.filter(|r| r["name"] == "anon" || r["name"] == "[heap]").collect();
    assert!(anon.is_empty(), "{anon:?}");
    let hidden = census(&run.ended.trace, &["--filter", "kind != migrate"]);
    assert!(hidden["unexplained"].as_u64().unwrap() >= 64, "{hidden}");
}

/// NUMA balancing migrates pages in hinting faults while the process is read.
#[test]
fn pages_that_numa_balancing_migrates_are_explained() {
    let balancing = Balancing::on();
    let script = Script::new(NUMA_BALANCING);
    let run = Recorder::start(&["--census-every", "300ms"], &script.argv()).finish();
    drop(balancing);
    run.assert_lossless();
    let all = census(&run.ended.trace, &[]);
    assert_eq!(all["unexplained"], 0, "{all}");
    let hidden = census(&run.ended.trace, &["--filter", "kind != migrate && !(kind == fault && class == hinting)"]);
    assert!(hidden["unexplained"].as_u64().unwrap() > 0, "{hidden}");
}
